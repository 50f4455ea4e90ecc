"""docs/adopting.md, done line by line to two applications that are not ours."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from deploy.cli import main
from tests.contract import ROOT
from tests.engine import UP_SECONDS, Stack, remove, unavailable
from tests.engine import own as stack_of_its_own
from tests.load import Load, get

pytestmark = [pytest.mark.full, pytest.mark.timeout(2 * UP_SECONDS)]
PAGE = (ROOT / "docs" / "adopting.md").read_text()
BLOCKS = re.findall(r"(.*?)```(\w+)\n(.*?)```", PAGE, re.DOTALL)
# A block of Python or nginx is what the file that is named last before it shall hold.
FILES = {
    re.findall(r"`([\w.]+/[\w./-]+)`", text)[-1]: block for text, kind, block in BLOCKS if kind in ("python", "nginx")
}
REQUIREMENTS = dict(zip(("django", "fastapi"), [block for _, kind, block in BLOCKS if kind == "text"], strict=True))
(LOCK,) = re.findall(r"^\$ (sed .*)$", PAGE, re.MULTILINE)
ROUTES = "nginx/templates/snippets/routes.conf.template"
CHANGED = {"django": "apps/django/ponte/settings.py", "fastapi": "apps/fastapi/app.py"}


def follow(page_of: str, folder: Path) -> None:
    """What a person does who reads the page."""
    assert main(["new", f"DIR={folder}", f"APPS={page_of}"]) == 0
    wanted = folder / "apps" / "requirements.in"
    kept = [line for line in wanted.read_text().splitlines() if line.split() not in (["flask"], ["fastapi"])]
    wanted.write_text("\n".join([*kept, REQUIREMENTS[page_of]]))
    for name, content in FILES.items():
        if name.startswith(f"apps/{page_of}/"):
            (folder / name).write_text(content)
    if page_of == "django":
        routes = (folder / ROUTES).read_text()
        block = re.compile(r"^location / \{.*?^\}\n", re.DOTALL | re.MULTILINE)
        assert len(block.findall(routes)) == 1
        (folder / ROUTES).write_text(block.sub(lambda _: FILES[ROUTES], routes))
    environ = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    done = subprocess.run(["bash", "-c", LOCK], cwd=folder, env=environ, capture_output=True, text=True)
    assert "error" not in done.stderr and done.returncode == 0, done.stderr


def up(service: str, folder: Path, engine: str) -> Iterator[Stack]:
    if reason := unavailable(engine):
        pytest.skip(f"{engine}: {reason}")
    follow(service, folder)
    alone = stack_of_its_own(engine)
    name = f"{alone.environ['COMPOSE_PROJECT_NAME']}-{service}"  # two are up at a time
    stack = replace(alone, root=folder, environ={**alone.environ, "COMPOSE_PROJECT_NAME": name, "PONTE_RUN": ".run"})
    try:
        started = stack.ponte("up", seconds=UP_SECONDS)
        assert started.returncode == 0, started.stderr[-3000:]
        yield stack
    finally:
        remove(stack)


@pytest.fixture(scope="module")
def pretalx(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Stack]:
    yield from up("django", tmp_path_factory.mktemp("adopting") / "talks", request.config.getoption("--engine"))
    shutil.rmtree(f"/tmp/pretalx-{os.getuid()}", ignore_errors=True)  # its settings name it


@pytest.fixture(scope="module")
def optimade(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Stack]:
    yield from up("fastapi", tmp_path_factory.mktemp("adopting") / "crystals", request.config.getoption("--engine"))


def test_the_page_has_what_is_written():
    assert set(FILES) == {"apps/fastapi/app.py", "apps/django/wsgi.py", "apps/django/ponte/settings.py", ROUTES}


def test_a_django_project_is_the_site_with_its_styles(pretalx: Stack):
    page = httpx.get(f"{pretalx.url}/orga/login/")
    files = re.findall(r"""(?:href|src)="?(/static/[^"\s>]+)""", page.text)

    assert (page.status_code, httpx.get(pretalx.url).status_code) == (200, 200)
    assert page.headers["x-served-by"].startswith("django/")
    assert len(files) > 5
    for each in files:
        answer = httpx.get(f"{pretalx.url}{each}")
        assert answer.status_code == 200
        assert "immutable" in answer.headers["cache-control"], each


def test_a_person_signs_in_to_the_django_project(pretalx: Stack):
    """Its forms, sessions and secure cookies, through TLS that ends at the edge."""
    email, password = "who@example.org", "correct horse battery"
    script = f"DJANGO_SUPERUSER_PASSWORD='{password}' python manage.py createsuperuser --noinput --email {email}\n"
    with pretalx.begin("shell", "SERVICE=django", stdin=subprocess.PIPE) as shell:
        out, err = shell.communicate(f"cd django && {script}", 60)
    assert "created" in out, out + err

    with httpx.Client(base_url=pretalx.tls_url, verify=False, follow_redirects=True) as browser:
        assert browser.get("/orga/login/").status_code == 200
        token = browser.cookies["pretalx_csrftoken"]
        fields = {"login_email": email, "login_password": password, "csrfmiddlewaretoken": token}
        inside = browser.post("/orga/login/", data=fields, headers={"Referer": f"{pretalx.tls_url}/orga/login/"})

    assert inside.status_code == 200
    assert inside.url.path != "/orga/login/", inside.text[:2000]
    assert email in inside.text or "/orga/logout" in inside.text


def test_the_tables_of_the_django_project_are_backed_up_and_proven(pretalx: Stack):
    assert pretalx.ponte("backup").returncode == 0
    proof = pretalx.ponte("verify-backup")

    assert proof.returncode == 0, proof.stderr
    assert int(re.findall(r"rows in (\d+) tables", proof.stdout + proof.stderr)[-1]) > 60


def test_a_fastapi_application_knows_its_prefix(optimade: Stack):
    answer = httpx.get(f"{optimade.url}/fastapi/v1/structures", params={"page_limit": 1})

    assert answer.status_code == 200
    assert answer.headers["x-served-by"].startswith("fastapi/")
    assert len(answer.json()["data"]) == 1
    assert answer.json()["links"]["next"].startswith(f"{optimade.url}/fastapi/v1/structures?")
    assert httpx.get(answer.json()["links"]["next"]).status_code == 200


@pytest.mark.parametrize(("name", "path"), [("django", "/orga/login/"), ("fastapi", "/fastapi/v1/info")])
def test_a_release_and_a_rollback_of_what_is_not_ours_lose_nothing(
    name: str, path: str, request: pytest.FixtureRequest
):
    stack: Stack = request.getfixturevalue({"django": "pretalx", "fastapi": "optimade"}[name])
    assert [httpx.get(f"{stack.url}/{name}/{probe}").status_code for probe in ("healthz", "readyz")] == [200, 200]
    changed = stack.root / CHANGED[name]
    changed.write_text(f"{changed.read_text()}\n# released\n")

    with Load([get(f"{stack.url}{path}")] * 4) as load:
        deployed = stack.ponte("deploy", seconds=UP_SECONDS)
        back = stack.ponte("rollback", seconds=UP_SECONDS)

    assert (deployed.returncode, back.returncode) == (0, 0), deployed.stderr + back.stderr
    assert f"serves: {name}" in deployed.stderr
    assert f"serves: {name}" in back.stderr
    assert not load.lost, load.told(stack.logs("nginx"))
    assert len(load.answers) > 100
