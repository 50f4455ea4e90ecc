"""`make new`: what is refused, what is written, and that nothing is where something failed."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from deploy.cli import main
from deploy.errors import Failure
from deploy.new import commands, copying, cuts, rules
from deploy.new.choice import Choice
from deploy.tree import SKIP_FOLDERS
from deploy.variables import SERVICES
from tests.apps import quickly
from tests.contract import ROOT
from tests.engine import free_port

FASTAPI = Choice("shop", ("fastapi",))
EVERY_KIND = (("fastapi",), ("flask",), ("django", "django-asgi"))
KINDS = quickly(EVERY_KIND[:1], EVERY_KIND)  # a copy takes seconds
# Written with what is no Python, where a service that is left out may not be named, comments aside.
RUNNING = (".conf", ".template", ".yaml", ".sh", ".html", ".js", ".toml", ".example", "Makefile", "Dockerfile", "ponte")


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Callable[[tuple[str, ...]], Path]:
    made: dict[tuple[str, ...], Path] = {}

    def of(services: tuple[str, ...]) -> Path:
        if services not in made:
            made[services] = tmp_path_factory.mktemp("new") / f"shop-{services[0]}"
            assert main(["new", f"DIR={made[services]}", f"APPS={','.join(services)}"]) == 0
        return made[services]

    return of


# ---------------------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("APPS=fastapi",), "new needs DIR: where to, a folder that does not exist yet; its name is the project's"),
        (("DIR=shop",), "new needs APPS: applications it begins with, separated by commas"),
        (("DIR={tmp}/shop", "APPS=,"), "APPS=',' names no application; choose from flask, django, django-asgi, fastapi"),
        (("DIR={tmp}/shop", "APPS=fastapi,rails"),
         "APPS='fastapi,rails': 'rails' is unknown; choose from flask, django, django-asgi, fastapi"),
        (("DIR={tmp}/My_Shop", "APPS=fastapi"),
         "DIR='{tmp}/My_Shop' ends in no name of a project; use a-z, 0-9 and -, such as ../shop"),
        (("DIR={tmp}/full", "APPS=fastapi"), "DIR='{tmp}/full' exists and is not an empty folder; name another"),
        (("DIR={tmp}/full/file", "APPS=fastapi"), "DIR='{tmp}/full/file' exists and is not an empty folder; name another"),
        (("DIR={tmp}/no/shop", "APPS=fastapi"), "DIR='{tmp}/no/shop': {tmp}/no does not exist; make it, or name another"),
        (("DIR=shop", "APPS=fastapi"),
         "DIR='shop' is inside this checkout, or around it; name a folder beside it, such as ../shop"),
    ],
)  # fmt: skip
def test_bad_input_is_one_sentence_and_nothing_is_written(
    words: tuple[str, ...],
    sentence: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.chdir(ROOT)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()

    assert main(["new", *(word.format(tmp=tmp_path) for word in words)]) == 2
    assert capsys.readouterr().err.startswith(f"ponte: {sentence.format(tmp=tmp_path)}")
    assert sorted(tmp_path.rglob("*")) == [tmp_path / "full", tmp_path / "full" / "file"]
    assert not (ROOT / "shop").exists()


def test_a_folder_around_the_checkout_is_refused(tmp_path: Path):
    with pytest.raises(Failure, match="is inside this checkout, or around it"):
        commands.target(tmp_path / "shop" / "ponte", str(tmp_path / "shop"))


def test_a_failure_half_way_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(commands, "tidy", lambda folder: (_ for _ in ()).throw(KeyboardInterrupt))

    with pytest.raises(KeyboardInterrupt):
        commands.write(tmp_path / "shop", {"a/b": b"c"}, ROOT)
    assert list(tmp_path.iterdir()) == []


def test_an_empty_folder_is_filled(tmp_path: Path):
    (tmp_path / "shop").mkdir()
    commands.write(tmp_path / "shop", {"a/b": b"c"}, ROOT)

    assert (tmp_path / "shop" / "a" / "b").read_bytes() == b"c"


@pytest.mark.parametrize(
    "path", set(rules.RULES) - {"nginx/examples/members.conf"}
)  # an example, and none is right too
def test_a_rule_that_finds_nothing_is_an_error(path: str):
    cuts.apply(path, (ROOT / path).read_text(), rules.RULES[path], FASTAPI)

    with pytest.raises(Failure, match=r"(?s)no longer holds .*; mend its rule in deploy/new/rules.py"):
        cuts.apply(path, "", rules.RULES[path], FASTAPI)


def test_what_is_left_out_is_there(shop: Callable[..., Path]):
    assert [path for path in (*rules.LEFT_OUT, *rules.MIGRATIONS) if not (ROOT / path).exists()] == []
    for each in rules.APART:
        path, _, name = each.partition("::")
        assert f"def {name}" in (ROOT / path).read_text()


# ---------------------------------------------------------------------------------- what is written


@pytest.mark.parametrize("services", KINDS)
def test_nothing_that_runs_names_what_is_left_out(services: tuple[str, ...], shop: Callable[..., Path]):
    folder, choice = shop(services), Choice("shop", services)
    named = [
        f"{path.relative_to(folder)}:{number}: {line}"
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name.endswith(RUNNING) and "tests" not in path.relative_to(folder).parts
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if choice.names(line.partition("#")[0])
    ]

    assert named == []


@pytest.mark.parametrize("services", KINDS)
def test_no_part_of_another_application_is_there(services: tuple[str, ...], shop: Callable[..., Path]):
    folder = shop(services)
    served = {name.removesuffix("-asgi") for name in services}

    assert {path.name for path in (folder / "apps").iterdir() if path.is_dir()} - {
        "core", "serve", "bare_wsgi", "bare_asgi", "django"} == served - {"django"}  # fmt: skip
    assert (folder / "apps/django/manage.py").exists() and (folder / "apps/django/ponte/migrations").exists()
    assert (folder / "apps/django/ponte/views.py").exists() == ("django" in served)
    assert {path.stem for path in (folder / "nginx/services").iterdir()} == set(services)


def test_it_has_a_name_a_history_and_a_licence_of_its_own(shop: Callable[..., Path]):
    folder = shop(("fastapi",))

    assert (folder / "README.md").read_text().startswith("# shop-fastapi\n")
    assert "name: ${COMPOSE_PROJECT_NAME:-shop-fastapi}" in (folder / "compose.yaml").read_text()
    assert (folder / "CHANGELOG.md").read_text() == copying.CHANGELOG
    assert (folder / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()
    assert os.access(folder / "ponte", os.X_OK)


def test_a_tree_without_git_is_the_same_tree(tmp_path: Path):
    for path in ("apps/core/work.py", "reports/.gitignore", "reports/run.json", ".run/state.json", ".env", "ponte"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    (tmp_path / "apps" / next(iter(SKIP_FOLDERS))).mkdir()

    assert sorted(copying.tracked(tmp_path)) == ["apps/core/work.py", "ponte", "reports/.gitignore"]


@pytest.mark.parametrize("services", KINDS)
def test_most_of_the_tests_go_with_it(services: tuple[str, ...], shop: Callable[..., Path]):
    """A cut that took a helper of many would still leave a project whose tests pass."""
    assert count(shop(services)) > 0.55 * count(ROOT)


def count(root: Path) -> int:
    return sum(path.read_text().count("\ndef test_") for path in (root / "tests").rglob("test_*.py"))


@pytest.mark.parametrize("services", KINDS)
def test_a_new_project_knows_its_services_and_starts_them(services: tuple[str, ...], shop: Callable[..., Path]):
    folder = shop(services)
    environ = {**os.environ, "PYTHONPATH": str(folder / "apps")}
    for name in services:
        done = subprocess.run([sys.executable, "-m", "serve", name, "--check", "--port", str(free_port())],
                              cwd=folder, env=environ, capture_output=True, text=True)  # fmt: skip
        assert done.returncode == 0, done.stderr
    gone = next(name for name in SERVICES if name not in services)
    refused = subprocess.run(
        [sys.executable, "-m", "serve", gone, "--check"], cwd=folder, env=environ, capture_output=True, text=True
    )

    assert refused.returncode == 2 and "is unknown; choose from " + ", ".join(services) in refused.stderr


@pytest.mark.full
@pytest.mark.timeout(300)
@pytest.mark.parametrize("services", EVERY_KIND)
def test_a_new_project_is_collected_and_its_documents_are_true(services: tuple[str, ...], shop: Callable[..., Path]):
    """Every module of its tests can be imported, and what its documents say is what its files hold."""
    every, told = (
        pytest_in(shop(services), "tests", "--collect-only"),
        pytest_in(shop(services), "tests/config/test_docs.py"),
    )

    assert every.returncode == 0, every.stdout[-3000:]
    assert told.returncode == 0, told.stdout[-3000:]


@pytest.mark.full
@pytest.mark.timeout(900)
@pytest.mark.parametrize("services", EVERY_KIND)
def test_a_new_project_passes_its_tests_that_need_no_stack(services: tuple[str, ...], shop: Callable[..., Path]):
    done = pytest_in(shop(services), "tests/unit", "tests/config", "tests/inprocess")

    assert done.returncode == 0, done.stdout[-5000:]


def pytest_in(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """With this checkout's environment: the new project would make one of the same packages."""
    (folder / ".run").mkdir(exist_ok=True)
    if not (folder / ".run" / "venv").exists():
        (folder / ".run" / "venv").symlink_to(ROOT / ".run" / "venv")
    words = ("-q", "-p", "no:cacheprovider", *words)
    environ = {name: value for name, value in os.environ.items() if name not in ("TIER", "PONTE_NOTES", "PYTHONPATH")}
    return subprocess.run(
        [sys.executable, "-m", "pytest", *words], cwd=folder, env=environ, capture_output=True, text=True
    )
