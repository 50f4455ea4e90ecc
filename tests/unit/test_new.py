"""`make new`: what is refused, what is written, and that nothing is where something failed."""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from deploy.cli import main
from deploy.errors import Failure
from deploy.new import choice, commands, copying, cuts, rules
from deploy.new.choice import ALWAYS, ENGINES, OPTIONAL, Choice
from deploy.ports import free_port
from deploy.tree import SKIP_FOLDERS
from deploy.variables import SERVICES
from tests.apps import quickly
from tests.contract import ROOT

LEAST = Choice("shop", ("fastapi",), ALWAYS)
EVERY_KIND = (LEAST, Choice("shop", ("flask",), (*ALWAYS, "kubernetes")), Choice("shop", ("django", "django-asgi")))
KINDS = quickly(EVERY_KIND[:1], EVERY_KIND)  # a copy takes seconds
# Written with what is no Python, where a service that is left out may not be named, comments aside.
RUNNING = (".conf", ".template", ".yaml", ".sh", ".html", ".js", ".toml", ".example", "Makefile", "Dockerfile", "ponte")
SAID_AS = {"swarm": "swarm", "systemd": "systemd", "kubernetes": "kubernetes|kubectl"}
# Where it is said of something else: a label of Docker's, what runs the machine, a path of Locust's.
OF_OTHERS = {"deploy/compose/containers.py", "deploy/images/engine", "tests/config/test_edge_locust.py"}


def said(kind: Choice) -> str:
    return f"{'+'.join(kind.services)} in {'+'.join(kind.engines)}"


of_kind = pytest.mark.parametrize("kind", KINDS, ids=said)
of_every_kind = pytest.mark.parametrize("kind", EVERY_KIND, ids=said)


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Choice], Path]:
    made: dict[Choice, Path] = {}

    def of(kind: Choice) -> Path:
        if kind not in made:
            made[kind] = tmp_path_factory.mktemp("new") / f"shop-{kind.services[0]}"
            words = (f"DIR={made[kind]}", f"APPS={','.join(kind.services)}", f"ENGINES={','.join(kind.engines)}")
            assert main(["new", *words]) == 0
        return made[kind]

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
        (("DIR={tmp}/shop", "APPS=fastapi", "ENGINES=native,podman"),
         "ENGINES='native,podman': 'podman' is unknown; choose from compose, native, swarm, systemd, kubernetes"),
        (("DIR={tmp}/shop", "APPS=fastapi", "ENGINES=,"),
         "ENGINES=',' names no engine; choose from compose, native, swarm, systemd, kubernetes"),
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
    cuts.apply(path, (ROOT / path).read_text(), rules.RULES[path], LEAST)

    with pytest.raises(Failure, match=r"(?s)no longer holds .*; mend its rule in deploy/new/rules.py"):
        cuts.apply(path, "", rules.RULES[path], LEAST)


def test_what_is_left_out_is_there(shop: Callable[..., Path]):
    of_engines = (path for paths in rules.OF_ENGINE.values() for path in paths)
    assert [path for path in (*rules.LEFT_OUT, *rules.MIGRATIONS, *of_engines) if not (ROOT / path).exists()] == []
    for each in rules.APART:
        path, _, name = each.partition("::")
        assert f"def {name}" in (ROOT / path).read_text()


# ---------------------------------------------------------------------------------- what is written


@of_kind
def test_nothing_that_runs_names_what_is_left_out(kind: Choice, shop: Callable[..., Path]):
    folder = shop(kind)
    named = [
        f"{path.relative_to(folder)}:{number}: {line}"
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name.endswith(RUNNING) and "tests" not in path.relative_to(folder).parts
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if kind.names(line.partition("#")[0])
    ]

    assert named == []


@of_kind
def test_no_part_of_another_application_is_there(kind: Choice, shop: Callable[..., Path]):
    folder = shop(kind)
    served = {name.removesuffix("-asgi") for name in kind.services}

    assert {path.name for path in (folder / "apps").iterdir() if path.is_dir()} - {
        "core", "serve", "bare_wsgi", "bare_asgi", "django"} == served - {"django"}  # fmt: skip
    assert (folder / "apps/django/manage.py").exists() and (folder / "apps/django/ponte/migrations").exists()
    assert (folder / "apps/django/ponte/views.py").exists() == ("django" in served)
    assert {path.stem for path in (folder / "nginx/services").iterdir()} == set(kind.services)


def test_every_engine_goes_along_where_none_is_chosen():
    of_engines = [path for paths in rules.OF_ENGINE.values() for path in paths]

    assert choice.engines(None) == ENGINES and choice.engines("kubernetes") == (*ALWAYS, "kubernetes")
    assert [path for path in of_engines if not rules.stays(path, Choice("shop", ("fastapi",)))] == []


@of_kind
def test_nothing_is_said_of_an_engine_that_is_left_out(kind: Choice, shop: Callable[..., Path]):
    """Neither what runs nor a document; comments aside, which may say of any engine why something is as it is."""
    folder = shop(kind)
    of_them = re.compile("|".join(SAID_AS[name] for name in kind.without_engines) or "(?!)", re.IGNORECASE)
    told = [
        f"{path.relative_to(folder)}:{number}: {line}"
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts and str(path.relative_to(folder)) not in OF_OTHERS
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1)
        if of_them.search(line if path.suffix in (".md", ".example") else line.partition("#")[0])
    ]

    assert told == []


@of_kind
def test_only_an_engine_that_is_there_can_be_named(kind: Choice, shop: Callable[..., Path]):
    folder = shop(kind)
    refused = subprocess.run([sys.executable, "-m", "deploy", "config", "ENGINE=podman"],
                             cwd=folder, capture_output=True, text=True)  # fmt: skip
    there = [name for name in ENGINES if name in kind.engines and name != "kubernetes"]  # it has a command of its own

    assert refused.stderr == f"ponte: ENGINE='podman' is unknown; choose from auto, {', '.join(there)}\n"
    assert {path.stem for path in (folder / "deploy/engines").glob("[!_]*.py")} == {"base", *there}
    assert {name for name in OPTIONAL if (folder / "deploy" / name).exists()} == set(kind.engines) - set(ALWAYS)


def test_it_has_a_name_a_history_and_a_licence_of_its_own(shop: Callable[..., Path]):
    folder = shop(LEAST)

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


@of_kind
def test_most_of_the_tests_go_with_it(kind: Choice, shop: Callable[..., Path]):
    """A cut that took a helper of many would still leave a project whose tests pass."""
    of_engines = [path for name in kind.without_engines for path in rules.OF_ENGINE[name]]
    assert count(shop(kind)) > 0.55 * count(ROOT, of_engines)


def count(root: Path, without: Sequence[str] = ()) -> int:
    paths = [path for path in (root / "tests").rglob("test_*.py")
             if not any(rules.within(str(path.relative_to(root)), each) for each in without)]  # fmt: skip
    return sum(path.read_text().count("\ndef test_") for path in paths)


@of_kind
def test_a_new_project_knows_its_services_and_starts_them(kind: Choice, shop: Callable[..., Path]):
    folder = shop(kind)
    environ = {**os.environ, "PYTHONPATH": str(folder / "apps")}
    for name in kind.services:
        done = subprocess.run([sys.executable, "-m", "serve", name, "--check", "--port", str(free_port())],
                              cwd=folder, env=environ, capture_output=True, text=True)  # fmt: skip
        assert done.returncode == 0, done.stderr
    gone = next(name for name in SERVICES if name not in kind.services)
    refused = subprocess.run(
        [sys.executable, "-m", "serve", gone, "--check"], cwd=folder, env=environ, capture_output=True, text=True
    )

    assert refused.returncode == 2 and "is unknown; choose from " + ", ".join(kind.services) in refused.stderr


@pytest.mark.full
@pytest.mark.timeout(300)
@of_every_kind
def test_a_new_project_is_collected_and_its_documents_are_true(kind: Choice, shop: Callable[..., Path]):
    """Every module of its tests can be imported, and what its documents say is what its files hold."""
    every, told = (
        pytest_in(shop(kind), "tests", "--collect-only"),
        pytest_in(shop(kind), "tests/config/test_docs.py"),
    )

    assert every.returncode == 0, every.stdout[-3000:]
    assert told.returncode == 0, told.stdout[-3000:]


@pytest.mark.full
@pytest.mark.timeout(900)
@of_every_kind
def test_a_new_project_passes_its_tests_that_need_no_stack(kind: Choice, shop: Callable[..., Path]):
    done = pytest_in(shop(kind), "tests/unit", "tests/config", "tests/inprocess")

    assert done.returncode == 0, done.stdout[-5000:]


@pytest.mark.full
@pytest.mark.timeout(300)
@of_every_kind
def test_a_new_project_passes_its_checks(kind: Choice, shop: Callable[..., Path]):
    done = subprocess.run([sys.executable, "-m", "deploy", "check"], cwd=shop(kind), capture_output=True, text=True)

    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-500:]


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
