"""Decisions of the native engine that need no process: which PostgreSQL, as whom, what is left over, what is wrong."""

import os
import sys
from pathlib import Path

import pytest

pytest.importorskip("psutil")

from deploy.console import Console
from deploy.engines.native import Native
from deploy.errors import Refused
from deploy.native import leftovers, postgres, sound, user
from deploy.native.keeper import Keeper
from deploy.native.layout import Layout
from deploy.native.programs import Program
from deploy.native.record import Member, Record
from deploy.native.start import Start
from deploy.ports import allocate
from deploy.release import Release, Standing
from deploy.settings import build
from deploy.variables import SERVICES


def fake(folder: Path, version: str) -> Path:
    """PostgreSQL programs that only know their version."""
    folder.mkdir(parents=True)
    for name in ("postgres", "initdb", "pg_isready"):
        (folder / name).write_text(f"#!/bin/sh\necho 'postgres (PostgreSQL) {version}'\n")
        (folder / name).chmod(0o755)
    return folder


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with PostgreSQL 15 and 17 of its own and 18 from pip."""
    found = [
        (fake(tmp_path / name, version), name) for name, version in (("15", "15.1"), ("17", "17.2"), ("18", "18.4"))
    ]
    monkeypatch.setattr(postgres, "places", lambda: iter(found))
    return tmp_path


def located(machine: Path, **given: str) -> Path:
    return postgres.locate(build(given, given, machine, machine), machine / "data").bin


def test_the_systems_postgresql_comes_first_if_it_is_new_enough(machine: Path):
    assert located(machine) == machine / "17"


def test_data_are_opened_by_the_version_that_made_them(machine: Path):
    (machine / "data").mkdir()
    (machine / "data" / "PG_VERSION").write_text("18\n")

    assert located(machine) == machine / "18"


def test_data_of_a_version_that_is_not_here_are_told_in_a_sentence(machine: Path):
    (machine / "data").mkdir()
    (machine / "data" / "PG_VERSION").write_text("16\n")

    with pytest.raises(Refused, match="is PostgreSQL 16's and only 17 is here; set PG_BIN") as refusal:
        located(machine)
    assert refusal.value.code == 3


def test_pg_bin_is_taken_before_all_others(machine: Path):
    assert located(machine, PG_BIN=str(machine / "18")) == machine / "18"


@pytest.mark.parametrize(("folder", "said"), [("15", "has PostgreSQL 15"), ("none", "has no postgres program")])
def test_a_pg_bin_that_will_not_do_is_quoted(machine: Path, folder: str, said: str):
    with pytest.raises(Refused, match=f"PG_BIN='{machine / folder}' {said}"):
        located(machine, PG_BIN=str(machine / folder))


def test_no_postgresql_is_told_in_a_sentence(machine: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(postgres, "places", lambda: iter(()))

    with pytest.raises(Refused, match="no PostgreSQL 17 or 18 found"):
        located(machine)


def test_postgresql_listens_on_this_machine_only_and_takes_400_connections(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(user, "wrap", lambda data: [])
    program = postgres.program(
        postgres.Postgres(Path("/pg/bin"), 18, "pip"), Layout(tmp_path, tmp_path / ".run"), 20000
    )

    assert program.argv[:3] == ["/pg/bin/postgres", "-D", f"{tmp_path}/.run/postgres"]
    assert {"listen_addresses=127.0.0.1", "port=20000", "max_connections=400", "unix_socket_directories="} < set(
        program.argv
    )
    assert program.stop_signal == "INT"


def test_an_ordinary_user_needs_no_wrapping(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)

    assert user.wrap(tmp_path) == []


def test_root_goes_by_a_namespace_then_by_the_owner_of_a_closed_home_then_by_nobody(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.setattr(user, "owners", lambda data: iter([(1001, 1001), (user.NOBODY, user.NOBODY)]))

    assert [" ".join(words) for words in user.ways(tmp_path)] == [
        "unshare --user --map-user=65534 --map-group=65534 --",
        "setpriv --reuid=1001 --regid=1001 --clear-groups --",
        "setpriv --reuid=65534 --regid=65534 --clear-groups --",
    ]


def test_a_machine_where_no_way_works_is_told_in_a_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(user, "can", lambda words, data: False)

    with pytest.raises(Refused, match="PostgreSQL does not run as root") as refusal:
        user.wrap(tmp_path)
    assert refusal.value.code == 3


@pytest.mark.parametrize(
    ("name", "cwd", "words", "environ", "ours"),
    [
        ("python", "/c/.run/releases/a/apps", ["python", "-m", "gunicorn", "serve.gthread"], {}, True),
        ("python3.11", "/c/apps", ["python", "-m", "serve.uvicorn"], {"SECRET_KEY_FILE": "/c/.run/secrets/k"}, True),
        ("nginx", "/c/.run/nginx", ["nginx: worker process"], {}, True),
        ("postgres", "/c/.run/postgres", ["postgres: checkpointer"], {}, True),
        ("less", "/c/.run/logs", ["less", "postgres.log"], {}, False),
        ("bash", "/c/.run/postgres", ["bash"], {}, False),
        ("python", "/c/.run/logs", ["python", "-c", "pass"], {}, False),
        ("nginx", "/d/.run/nginx", ["nginx: worker process"], {}, False),
        ("nginx", None, None, None, False),
    ],
)
def test_only_what_a_stack_left_is_a_leftover(name: str, cwd: str, words: list[str], environ: dict, ours: bool):
    info = {"name": name, "cwd": cwd, "cmdline": words, "environ": environ}

    assert leftovers.is_ours(info, Path("/c/.run")) is ours


def test_a_stack_in_the_run_folder_of_another_is_its_own(tmp_path: Path):
    """Tests and experiments run below .run; what a person types in the checkout meanwhile leaves them alone."""
    run = tmp_path / ".run"
    inner = run / "tests" / "native-1"
    for each in (run, inner):
        Layout(tmp_path, each).keeper.mkdir(parents=True)
    info = {"name": "nginx", "cwd": str(inner / "nginx"), "cmdline": ["nginx: worker process"], "environ": {}}

    assert leftovers.is_ours(info, inner)
    assert not leftovers.is_ours(info, run)
    Layout(tmp_path, inner).keeper.rmdir()
    assert leftovers.is_ours(info, run), "nobody else's any more"


def record(phase: str) -> Record:
    runs = Release("t", "dev")
    members = {f"flask-{n}": Member(f"flask-{n}", "flask", 20000 + n, "gunicorn", 2, runs) for n in (1, 2, 3)}
    return Record("p", "e", "u", {}, {"HTTP_PORT": "81"}, phase=phase, counts={"flask": 3}, members=members)


@pytest.mark.parametrize(
    ("found", "alive", "said"),
    [
        (None, False, ""),
        (record("up"), True, ""),
        (record("changing"), True, ""),
        (record("up"), False, "the keeper of the last stack is gone"),
        (record("starting"), True, "a start was cut short"),
        (None, True, "a start was cut short"),
    ],
)
def test_what_is_wrong_is_told_by_the_record_and_the_keeper(found: Record | None, alive: bool, said: str):
    assert sound.wrong(found, lambda: alive) == said


def test_a_stack_whose_keeper_died_comes_back_as_it_was(tmp_path: Path):
    now = build({"LOCUST_PORT": "99"}, {}, tmp_path, tmp_path)
    back = sound.as_it_was(now, record("up"))

    assert (back.http_port, back.locust_port, back.replicas["flask"], back.replicas["django"]) == (81, 99, 3, 2)


def test_it_comes_back_with_the_release_it_ran_whatever_the_checkout_holds_by_then(tmp_path: Path):
    settings, layout = build({}, {}, tmp_path, tmp_path / ".run"), Layout(tmp_path, tmp_path / ".run")
    before = record("up")
    before.releases = dict.fromkeys(SERVICES, Standing(Release("t", "v1")))
    (layout.releases / "t" / "apps").mkdir(parents=True)
    keeper = Keeper(layout)

    assert Start(settings, Console(), layout, keeper, before).record.releases == before.releases
    (layout.releases / "t" / "apps").rmdir()  # somebody removed its copy
    assert Start(settings, Console(), layout, keeper, before).record.releases["flask"].now.tree != "t"


def test_what_is_typed_now_wins_over_what_was(tmp_path: Path):
    now = build({"HTTP_PORT": "82"}, {"HTTP_PORT": "82"}, tmp_path, tmp_path)

    assert sound.as_it_was(now, record("up")).http_port == 82


def test_a_reload_does_not_change_what_replicas_that_run_are_spoken_to_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Native, "__init__", lambda self, now: setattr(self, "settings", now))
    now = {"UPSTREAM_HTTP2": "1", "HTTPS_REDIRECT": "1"}
    record = Record("p", "e", "u", words={}, given={"FASTAPI_UPSTREAM_HTTP2": "1"})

    found = Native(build(now, now, Path(), Path())).reloaded(record)

    assert (found.http2, found.https_redirect) == ({"fastapi"}, True)


def test_a_new_replica_has_the_lowest_free_number_and_a_port_of_its_own(tmp_path: Path):
    found, release = record("up"), Release("t", "v1")
    found.members = {"flask-2": Member("flask-2", "flask", 20000, "s", 1, release)}
    ours = set(allocate(tmp_path, 1))  # what it would take
    for name, port in Keeper(Layout(tmp_path, tmp_path)).places(found, "flask", 3, release, ours):
        found.members[name] = Member(name, "flask", port, "s", 1, release)

    assert list(found.members) == ["flask-2", "flask-1", "flask-3", "flask-4"]
    assert len(found.ports()) == 4 and not found.ports() & ours


def test_a_plan_gives_everybody_a_port_of_his_own_and_none_of_the_edge(tmp_path: Path):
    settings = build({"HTTP_PORT": str(allocate(tmp_path, 1)[0])}, {}, tmp_path, tmp_path)
    layout = Layout(tmp_path, tmp_path)
    (tmp_path / "apps").mkdir()
    start = Start(settings, Console(), layout, Keeper(layout))
    start.add = lambda name, service, port, command: start.record.members.update(
        {name: Member(name, service, port, "s", 1, Release("t", "v1"))}
    )
    start.plan(dict.fromkeys(SERVICES, ""))

    assert list(start.record.members)[:3] == ["flask-1", "flask-2", "django-1"]
    assert len(start.record.ports()) == 8 + 2
    assert not start.record.ports() & {settings.http_port, settings.https_port}


@pytest.mark.parametrize(
    ("words", "done"), [(("-c", "print('said')"), True), (("-c", "raise SystemExit('said')"), False)]
)
def test_what_runs_once_says_whether_it_did_and_leaves_its_words(tmp_path: Path, words: tuple[str, ...], done: bool):
    layout = Layout(tmp_path, tmp_path)
    layout.make()
    program = Program("migrate", [sys.executable, *words], tmp_path, layout.logs / "migrate.log", "TERM", 1)

    assert Keeper(layout).once(program) == done
    assert layout.said("migrate", 5) == ["said"]
