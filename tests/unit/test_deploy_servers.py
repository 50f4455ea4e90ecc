"""What the engines do for a server that does not come with the applications."""

import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

pytest.importorskip("psutil")

from deploy import doctor, environment, launcher
from deploy.compose import input
from deploy.console import Console
from deploy.errors import Refused
from deploy.native import releases
from deploy.native.layout import Layout
from deploy.settings import ROOT, Settings, build
from deploy.variables import SERVICES


def settings(root: Path = ROOT, **given: str) -> Settings:
    return build(given, given, root, root / ".run")


@pytest.mark.parametrize(
    ("given", "sets"),
    [
        ({}, ()),
        ({"FLASK_SERVER": "gunicorn-sync", "FASTAPI_SERVER": "gunicorn-asgi"}, ()),
        ({"SERVER": "granian"}, ("apps/serve",)),
        ({"FLASK_SERVER": "mod_wsgi", "FASTAPI_SERVER": "daphne"}, ("apps/serve/mod_wsgi", "apps/serve")),
        ({"FLASK_SERVER": "gunicron"}, ()),  # refused elsewhere, in a sentence
    ],
)
def test_a_server_brings_its_requirement_set(given: dict[str, str], sets: tuple[str, ...]) -> None:
    assert launcher.packages(settings(**given), SERVICES) == sets


def test_a_worker_in_the_process_itself_is_one() -> None:
    assert launcher.workers("python -m serve.hypercorn app:app --workers 0 --keep-alive 75") == 1


@pytest.mark.parametrize(
    ("given", "locks"),
    [({}, []), ({"FLASK_SERVER": "granian"}, ["apps/requirements.txt", "apps/serve/requirements.txt"])],
)
def test_a_release_gets_what_its_server_needs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: dict[str, str], locks: list[str]
) -> None:
    """.run/venv has the applications' packages and no server's."""
    checkout, layout = settings(**given), Layout(ROOT, tmp_path)
    release = layout.releases / "tree"
    shutil.copytree(ROOT / "apps", release / "apps", ignore=shutil.ignore_patterns("__pycache__"))
    built: list[str] = []
    monkeypatch.setattr(environment, "holds", lambda root, name, lock: name == "apps")
    monkeypatch.setattr(
        environment, "build", lambda root, venv, *found: built.extend(str(lock.relative_to(release)) for lock in found)
    )
    releases.equip("tree", checkout, layout, lambda text: None)

    assert built == locks


def test_a_venv_is_complete_when_it_has_all_lock_files(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.write_text("a==1\n")
    second.write_text("b==1\n")
    (tmp_path / environment.STAMP).write_text(environment.digest(first, second))

    assert environment.complete(tmp_path, first, second)
    assert not environment.complete(tmp_path, first)


@pytest.mark.parametrize("given", [{"FLASK_SERVER": "mod_wsgi"}, {"DJANGO_SERVER": "mod_wsgi"}])
def test_containers_refuse_what_pip_does_not_bring(given: dict[str, str]) -> None:
    with pytest.raises(Refused, match="SERVER='mod_wsgi' needs apxs, which the images do not have; use ENGINE=native"):
        input.refuse_servers_without_image(settings(**given))
    input.refuse_servers_without_image(settings(SERVER="granian"))


def findings(monkeypatch: pytest.MonkeyPatch, installed: bool, apxs: bool, **given: str) -> list[str]:
    row = {"installed": installed, "program": None}
    servers = {"gunicorn": row, "uvicorn": row, "mod_wsgi": row | {"program": ["apxs", "apt install apache2-dev"]}}
    table = {"servers": servers, "services": launcher.table(ROOT)["services"]}
    monkeypatch.setattr(doctor, "launcher", SimpleNamespace(
        table=lambda root: table, server=launcher.server, check=lambda settings, services: {}
    ))  # fmt: skip
    monkeypatch.setattr(doctor.shutil, "which", lambda name: "/usr/bin/apxs" if apxs else None)
    return [str(each) for each in doctor.servers(settings(**given), Console())]


def test_the_doctor_says_what_a_server_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    absent = "note  server {}; not installed yet; ./ponte up does it, for containers the build"
    with_headers = findings(monkeypatch, False, True, FLASK_SERVER="mod_wsgi")

    assert findings(monkeypatch, True, False) == ["ok    server gunicorn", "ok    server uvicorn"]
    assert with_headers == [absent.format("mod_wsgi"), absent.format("gunicorn"), absent.format("uvicorn")]
    assert findings(monkeypatch, False, False, FLASK_SERVER="mod_wsgi")[0] == (
        "bad   server mod_wsgi needs apxs; apt install apache2-dev"
    )
