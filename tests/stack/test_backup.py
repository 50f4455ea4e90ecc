"""Backups: of one moment, put back whole or not at all, proven by being restored."""

import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from hashlib import sha256
from pathlib import Path

import pytest

from deploy.variables import prefix
from tests.apps import App
from tests.contract import ROOT, SERVICES
from tests.engine import UP_SECONDS, Stack, own, remove
from tests.oracle import watched
from tests.waiting import until

pytestmark = [pytest.mark.own_stack, pytest.mark.timeout(120)]
# In the scratch database each row of this table takes its time, so that a signal meets a restore at work.
SLOW = """CREATE TABLE slow (id int CHECK (current_database() !~ 'verify' OR pg_sleep(60)::text = ''));
INSERT INTO slow VALUES (1);"""
GZIP = b"\x78\x9c"  # with which the rows of a table begin in a dump: what comes before the last table is whole
SCRATCH = "SELECT datname FROM pg_database WHERE datname LIKE 'ponte_verify_%';"


def taken(stack: Stack, *words: str) -> Path:
    """Where the new backup is."""
    answer = stack.ponte("backup", *words)
    assert answer.returncode == 0, answer.stderr
    return ROOT / answer.stdout.strip()


def refused(stack: Stack, *words: str, code: int) -> str:
    answer = stack.ponte(*words)
    assert answer.returncode == code, answer.stdout + answer.stderr
    assert len(re.findall("^ponte: ", answer.stderr, re.M)) == 1 and "Traceback" not in answer.stderr
    return answer.stderr.strip().splitlines()[-1]


def started(stack: Stack, word: str, **streams: int) -> "subprocess.Popen[str]":
    environ = {**os.environ, **stack.environ}
    return subprocess.Popen([str(ROOT / "ponte"), word], cwd=ROOT, env=environ, text=True, **streams)


@pytest.fixture(scope="module")
def backup(stack: Stack, apps: dict[str, App]) -> Path:
    apps["flask"].say("in the backup")
    return taken(stack)


@pytest.fixture
def copy(backup: Path, tmp_path: Path) -> Path:
    """To be spoilt."""
    for path in backup.parent.glob(backup.name + "*"):
        shutil.copy(path, tmp_path)
    return tmp_path / backup.name


def agreed(path: Path) -> str:
    """Spoilt by somebody who thought of the checksums."""
    there = [each for each in (path, Path(f"{path}.json")) if each.exists()]
    lines = [f"{sha256(each.read_bytes()).hexdigest()}  {each.name}\n" for each in there]
    Path(f"{path}.sha256").write_text("".join(lines))
    return f"FILE={path}"


def test_a_backup_gives_back_what_was_there(stack: Stack, backup: Path):
    answer = stack.ponte("verify-backup")

    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.startswith(str(backup.relative_to(ROOT)))
    assert backup.stat().st_mode & 0o777 == 0o600


def test_a_backup_that_was_cut_short_is_refused(stack: Stack, copy: Path):
    copy.write_bytes(copy.read_bytes()[:-100])

    assert "is truncated or changed" in refused(stack, "restore", f"FILE={copy}", code=2)


def test_a_database_with_rows_is_not_written_over(stack: Stack, backup: Path, apps: dict[str, App]):
    row = apps["flask"].say("after the backup")

    assert "the database holds rows (" in refused(stack, "restore", f"FILE={backup}", code=3)
    assert apps["flask"].messages(row["id"] - 1) == [row]


def test_what_was_lost_comes_back_and_its_numbers_go_on(stack: Stack, apps: dict[str, App]):
    app = apps["fastapi"]
    first = app.say("the first")
    last = app.say("the last")
    path = taken(stack)
    stack.psql("TRUNCATE messages, jobs RESTART IDENTITY;")
    assert app.messages() == []
    answer = stack.ponte("restore", f"FILE={path}")

    assert answer.returncode == 0, answer.stderr
    assert app.messages(first["id"] - 1) == [first, last]
    assert apps["django"].say("the next")["id"] == last["id"] + 1
    assert all(each.get("/readyz").status_code == 200 for each in apps.values())


@pytest.mark.full
def test_a_backup_of_an_older_release_is_migrated(stack: Stack, apps: dict[str, App]):
    stack.psql("DELETE FROM items; DELETE FROM django_migrations WHERE name = '0002_items';")
    path = taken(stack)
    stack.psql("TRUNCATE messages, jobs;")

    assert stack.ponte("restore", f"FILE={path}").returncode == 0
    assert stack.psql("SELECT count(*) FROM items;").strip() == "10000"
    assert apps["flask"].get("/query?n=10").status_code == 200


@pytest.mark.full
def test_a_backup_of_a_newer_postgresql_is_refused(stack: Stack, copy: Path):
    head = re.sub(rb"1[78]\.(\d+)", rb"99.\1", copy.read_bytes()[:500])
    copy.write_bytes(head + copy.read_bytes()[500:])

    assert "is of PostgreSQL 99 and the server is 1" in refused(stack, "restore", agreed(copy), code=2)


@pytest.mark.full
def test_a_table_that_differs_is_named(stack: Stack, copy: Path):
    path = Path(f"{copy}.json")
    about = json.loads(path.read_text())
    about["tables"]["public.messages"]["count"] += 1
    path.write_text(json.dumps(about))
    sentence = refused(stack, "verify-backup", agreed(copy), code=1)

    assert re.search(r"does not give back what was there: public.messages had \d+ rows? and has \d+$", sentence)
    assert not stack.psql(SCRATCH).strip()


@pytest.mark.full
def test_a_dump_that_breaks_off_changes_nothing(stack: Stack, apps: dict[str, App], copy: Path):
    path = taken(stack)
    rows = apps["flask"].messages()
    stack.psql("TRUNCATE messages, jobs;")
    try:
        copy.write_bytes(path.read_bytes().rpartition(GZIP)[0])
        Path(f"{copy}.json").unlink()
        sentence = refused(stack, "restore", agreed(copy), code=1)

        assert "nothing was restored, nothing changed: " in sentence
        assert apps["flask"].get("/query?n=1").status_code == 200
        assert not apps["flask"].messages()
    finally:
        assert stack.ponte("restore", f"FILE={path}").returncode == 0
    assert apps["flask"].messages() == rows


@pytest.mark.full
def test_a_backup_under_load_is_of_one_moment_and_loses_nobodys_request(stack: Stack, tmp_path: Path):
    with watched(stack, tmp_path, "flask", "fastapi") as seen:
        before = stack.psql("SELECT count(*) FROM messages;")
        path = taken(stack)
        answer = stack.ponte("verify-backup", f"FILE={path}")

    assert answer.returncode == 0, answer.stderr
    assert not seen.wrong
    assert json.loads(Path(f"{path}.json").read_text())["tables"]["public.messages"]["count"] >= int(before)


@contextmanager
def held(stack: Stack) -> Iterator[None]:
    """Nobody reads messages meanwhile, and no dump gets on."""
    with started(stack, "psql", stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin and process.stdout
        process.stdin.write("BEGIN; LOCK TABLE messages;\n\\echo held\n")
        process.stdin.flush()
        until(lambda: "held" in (process.stdout.readline() if process.stdout else ""))
        yield
        process.stdin.close()


@pytest.mark.full
@pytest.mark.parametrize("number", (signal.SIGTERM, signal.SIGKILL))
def test_an_interrupted_backup_leaves_nothing_that_looks_like_one(stack: Stack, backup: Path, number: signal.Signals):
    before = sorted(backup.parent.glob("*"))
    with held(stack):
        process = started(stack, "backup", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until(lambda: list(backup.parent.glob(".*.draft")), 30)
        process.send_signal(number)
        process.wait(30)

    assert sorted(backup.parent.glob("[!.]*")) == before
    assert bool(list(backup.parent.glob(".*"))) == (number == signal.SIGKILL)
    path = taken(stack)
    assert sorted(backup.parent.glob("*")) == sorted([*before, *path.parent.glob(f"{path.name}*")])


@pytest.mark.full
def test_a_killed_proof_leaves_a_scratch_database_to_the_next(stack: Stack):
    stack.psql(SLOW)
    try:
        path = taken(stack)
        for number, left in ((signal.SIGTERM, False), (signal.SIGKILL, True)):
            process = started(stack, "verify-backup", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            until(lambda: "slow" in stack.psql("SELECT query FROM pg_stat_activity WHERE wait_event = 'PgSleep';"), 30)
            process.send_signal(number)
            process.wait(30)
            assert bool(stack.psql(SCRATCH).strip()) == left
    finally:
        stack.psql("DROP TABLE slow;")
    for each in path.parent.glob(f"{path.name}*"):
        each.unlink()
    taken(stack)

    assert stack.ponte("verify-backup").returncode == 0
    assert not stack.psql(SCRATCH).strip()


@pytest.fixture
def other(stack: Stack) -> Iterator[Stack]:
    """A second stack, which is not up yet; named after a process that outlives this one, as ours is after ours."""
    second = own(stack.engine, os.getppid())
    second.environ |= {f"{prefix(name)}_REPLICAS": "1" for name in SERVICES}
    yield second
    remove(second)


def up(stack: Stack) -> None:
    answer = stack.ponte("up", seconds=UP_SECONDS)
    assert answer.returncode == 0, answer.stderr


@pytest.mark.full
@pytest.mark.timeout(600)
def test_a_stack_that_was_cleaned_is_as_it_was_after_a_restore(other: Stack, apps: dict[str, App]):
    app = App(apps["flask"].service, apps["flask"].http, f"{other.url}/flask")
    up(other)
    rows = [app.say(f"number {number}") for number in range(3)]
    taken(other)
    path = taken(other, "KEEP=1")
    answer = other.ponte("clean")
    assert answer.returncode == 0, answer.stderr
    assert f"1 in {path.parent.relative_to(ROOT)} stay" in answer.stderr
    up(other)
    assert app.messages() == []

    assert other.ponte("restore", f"FILE={path}").returncode == 0
    assert app.messages() == rows
    assert app.say("the next")["id"] == rows[-1]["id"] + 1


@contextmanager
def natively(stack: Stack) -> Iterator[str]:
    """Another database of the first stack's server."""
    stack.psql("CREATE DATABASE elsewhere;")
    ours = (ROOT / stack.environ["PONTE_RUN"] / "secrets" / "database_url").read_text().strip()
    yield ours.rpartition("/")[0] + "/elsewhere"
    stack.psql("DROP DATABASE elsewhere;")


@contextmanager
def in_a_container(stack: Stack) -> Iterator[str]:
    """A server of its own, at an address of this machine that containers reach."""
    host = docker("network", "inspect", "bridge", "--format", "{{(index .IPAM.Config 0).Gateway}}")
    given = ("POSTGRES_USER=ponte", "POSTGRES_PASSWORD=p/w", "POSTGRES_DB=elsewhere")
    words = [f"--publish={host}::5432", "--tmpfs=/var/run/postgresql:mode=1777", *(f"--env={each}" for each in given)]
    name = docker("run", "--detach", "--rm", *words, "postgres:17")
    until(lambda: "accept connections" in docker("logs", name, stderr=subprocess.STDOUT), 30)
    port = docker("port", name, "5432").rpartition(":")[2]
    yield f"postgresql://ponte:p%2Fw@{host}:{port}/elsewhere"
    docker("rm", "--force", "--volumes", name)


def docker(*words: str, stderr: int = subprocess.PIPE) -> str:
    done = subprocess.run(["docker", *words], check=True, stdout=subprocess.PIPE, stderr=stderr, text=True, timeout=60)
    return done.stdout.strip()


@pytest.mark.full
@pytest.mark.timeout(600)
def test_a_database_of_ones_own_is_backed_up_too(stack: Stack, other: Stack, apps: dict[str, App]):
    with ExitStack() as stopping:
        elsewhere = (natively if stack.engine == "native" else in_a_container)(stack)
        other.environ["DATABASE_URL"] = stopping.enter_context(elsewhere)
        up(other)
        stopping.callback(other.ponte, "down")
        app = App(apps["flask"].service, apps["flask"].http, f"{other.url}/flask")
        rows = [app.say("in a database of one's own")]
        path = taken(other)
        assert other.ponte("verify-backup").returncode == 0
        answer = other.ponte("restore", f"FILE={path}")
        assert answer.returncode == 3 and "public.messages" in answer.stderr
        assert other.ponte("verify-backup", f"FILE={path}").stdout.count("rows in 4 tables") == 1

        assert app.messages() == rows
