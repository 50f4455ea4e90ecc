"""The Dockerfiles: shared layers stay shared, and nothing in them needs the internet beyond a package index."""

import re
from pathlib import Path

import pytest

from deploy.choice import base_images
from tests.contract import table

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILES = {name: (ROOT / name / "Dockerfile").read_text() for name in ("apps", "nginx", "loadtests")}


def instructions(text: str) -> list[str]:
    """One line each, without comments."""
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return [
        re.sub(r"\s+", " ", each).strip() for each in "\n".join(lines).replace("\\\n", " ").splitlines() if each.strip()
    ]


def stage(text: str, name: str) -> list[str]:
    lines = instructions(text)
    start = next(n for n, line in enumerate(lines) if line.endswith(f" AS {name}"))
    rest = [n for n, line in enumerate(lines) if line.startswith("FROM") and n > start]
    return lines[start : rest[0] if rest else None]


@pytest.mark.parametrize("name", ["dependencies", "static"])
def test_what_both_images_need_is_made_in_the_same_layers(name: str):
    apps, nginx = (stage(DOCKERFILES[image], name) for image in ("apps", "nginx"))

    assert apps == nginx


def test_django_finds_in_its_image_by_which_names_static_files_go():
    """(!) Without it, a page that asks for one by `{% static %}` is a 500."""
    assert "COPY --from=static /srv/static /srv/static" in stage(DOCKERFILES["apps"], "runtime")
    assert "ENV STATIC_ROOT=/srv/static/django" in stage(DOCKERFILES["apps"], "runtime")


def test_dependencies_come_before_the_sources():
    assert [line for line in stage(DOCKERFILES["apps"], "dependencies") if line.startswith("COPY")] == [
        "COPY apps/requirements.txt /srv/requirements.txt"
    ]


def test_every_dependency_is_pinned_by_hash_and_taken_as_it_is_locked():
    """(!) pip that resolves again asks for a hash of `pydantic[email]` beside that of pydantic, and finds none."""
    installs = [
        line for text in DOCKERFILES.values() for line in instructions(text) if " install " in line and "pip" in line
    ]

    assert len(installs) > 3
    assert [line for line in installs if "install --require-hashes --no-deps -r" not in line] == []


def test_servers_are_process_one_so_that_signals_reach_them():
    assert 'ENTRYPOINT ["python", "-m", "serve"]' in instructions(DOCKERFILES["apps"])
    assert 'ENTRYPOINT ["/etc/ponte/nginx/entrypoint.sh"]' in instructions(DOCKERFILES["nginx"])
    assert "STOPSIGNAL SIGQUIT" in instructions(DOCKERFILES["nginx"])


def test_no_frontend_image_is_fetched():
    for name, text in DOCKERFILES.items():
        assert not re.search(r"^#\s*syntax\s*=", text, re.M | re.I), name


def test_an_image_installs_other_servers_when_one_is_chosen():
    """The Dockerfile names those that come with the applications; the launcher's table knows them."""
    (names,) = re.findall(r"case \$server in (\S+)\) ;;", (ROOT / "apps" / "Dockerfile").read_text())

    assert set(names.split("|")) == {
        name for name, each in table()["servers"].items() if each["packages"] == "apps" and not each["matrix_only"]
    }


def test_deploy_images_builds_every_base_image():
    build = (ROOT / "deploy" / "images" / "build").read_text()
    (table,) = re.findall(r"^declare -A IMAGES=\((.*)\)$", build, re.M)

    assert sorted(re.findall(r"\]=(\S+)", table)) == base_images(ROOT)


def test_no_script_here_names_a_mirror():
    for path in (ROOT / "deploy" / "images").iterdir():
        assert not re.search(r"https?://", path.read_text()), path.name
