"""How the backup's programs are told where the database is, and what is made of their complaints."""

from pathlib import Path
from types import SimpleNamespace

import pytest

pytest.importorskip("psutil")

from deploy.backup.database import libpq, reason
from deploy.compose import database
from deploy.engines.compose import Compose
from deploy.errors import Refused
from deploy.native import database as native
from deploy.native import postgres
from deploy.native.layout import Layout
from deploy.settings import build

ADDRESSES = {
    "postgresql://ponte:secret@127.0.0.1:20001/ponte": {
        "PGHOST": "127.0.0.1", "PGPORT": "20001", "PGUSER": "ponte", "PGPASSWORD": "secret", "PGDATABASE": "ponte",
    },
    "postgres://u%40x:p%2F%40%3A@db.example.org/a%20b?sslmode=verify-full&connect_timeout=3&application_name=x": {
        "PGHOST": "db.example.org", "PGUSER": "u@x", "PGPASSWORD": "p/@:", "PGDATABASE": "a b",
        "PGSSLMODE": "verify-full", "PGCONNECT_TIMEOUT": "3", "PGAPPNAME": "x",
    },
    "postgresql://me@[::1]:5433,other:5434/x?target_session_attrs=primary": {
        "PGHOST": "::1,other", "PGPORT": "5433,5434", "PGUSER": "me", "PGDATABASE": "x",
        "PGTARGETSESSIONATTRS": "primary",
    },
    "postgresql://me@one,two:5434": {"PGHOST": "one,two", "PGPORT": ",5434", "PGUSER": "me", "PGDATABASE": "me"},
    "postgresql:///x?host=/run/postgresql": {"PGHOST": "/run/postgresql", "PGDATABASE": "x"},
}  # fmt: skip


@pytest.mark.parametrize("url", ADDRESSES)
def test_an_address_becomes_what_libpq_reads(url: str):
    assert libpq(url) == ADDRESSES[url]


REASONS = {
    'pg_dump: error: query failed: ERROR:  canceling statement due to lock timeout\npg_dump: detail: Query was: LOCK':
        "canceling statement due to lock timeout",
    'psql: error: connection to server at "h" (::1), port 5432 failed: FATAL:  password authentication failed for user "x"':
        'password authentication failed for user "x"',
    "NOTICE:  drop cascades to 5 other objects\nERROR:  relation \"x\" already exists": 'relation "x" already exists',
    "pg_restore: error: could not read from input file: end of file": "could not read from input file: end of file",
    "Killed": "Killed",
    "": "it said nothing",
}  # fmt: skip


@pytest.mark.parametrize("said", REASONS)
def test_a_complaint_is_told_as_its_reason(said: str):
    assert reason(said) == REASONS[said]


def test_in_containers_a_password_stands_on_no_command_line():
    """It is named there, and its value is in the environment of the docker command."""
    docker = SimpleNamespace(
        environment={"DATABASE_URL": "postgresql://me:secret@db:5433/x"},
        settings=SimpleNamespace(project="ponte"),
        ask=lambda *_: "postgres:17\n",
    )
    found = database.database(docker, SimpleNamespace(id="4f2a", hostname="4f2a"))
    line = " ".join(found.argv("pg_dump", "--format=custom"))

    assert "--network=ponte_edge" in line and line.endswith(
        "postgres:17 pg_dump --format=custom --no-password --dbname=x"
    )
    assert "--env PGPASSWORD " in line and "secret" not in line
    assert found.environment["PGPASSWORD"] == "secret"


def test_the_stacks_own_database_is_asked_in_its_container():
    docker = SimpleNamespace(environment={})
    found = database.database(docker, SimpleNamespace(id="4f2a", hostname="4f2a"))

    line = " ".join(found.argv("psql", name="scratch"))

    assert line == "docker exec --interactive --env PGUSER=ponte 4f2a psql --no-password --dbname=scratch"


@pytest.mark.parametrize("tty", [True, False])
def test_make_psql_opens_the_database_that_the_applications_use(monkeypatch: pytest.MonkeyPatch, tty: bool):
    """In containers too where it is one of your own, with all that its address says."""
    asked: list[tuple[list[str], dict[str, str]]] = []
    docker = SimpleNamespace(
        environment={"DATABASE_URL": "postgresql://me:secret@db/x?sslmode=require"},
        settings=SimpleNamespace(project="ponte"),
        ask=lambda *_: "postgres:17\n",
        hand_over=lambda words, environment: asked.append((words, environment)),
    )
    monkeypatch.setattr("sys.stdin", SimpleNamespace(isatty=lambda: tty))
    Compose.psql(SimpleNamespace(docker=docker, one=lambda _: SimpleNamespace(id="4f2a", hostname="4f2a")))  # type: ignore[arg-type]
    ((words, environment),) = asked

    assert words[:2] == ("docker", "run") and words[-2:] == ("postgres:17", "psql")
    assert ("--tty" in words) == tty
    assert (environment["PGHOST"], environment["PGSSLMODE"]) == ("db", "require")


def test_natively_the_programs_are_those_of_the_server_that_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for major in (17, 18):
        whole(tmp_path / str(major))
    found = [postgres.Postgres(tmp_path / str(major), major, "") for major in (18, 17)]
    monkeypatch.setattr(postgres, "candidates", lambda settings: iter(found))
    (tmp_path / "postgres").mkdir()
    (tmp_path / "postgres" / "PG_VERSION").write_text("17\n")

    assert programs(tmp_path) == tmp_path / "17"
    assert programs(tmp_path, DATABASE_URL="postgresql://me@elsewhere/x") == tmp_path / "18", "the newest reads all"


def test_a_server_without_its_client_programs_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    whole(tmp_path)
    (tmp_path / "pg_restore").unlink()
    monkeypatch.setattr(postgres, "candidates", lambda settings: iter([postgres.Postgres(tmp_path, 17, "")]))

    with pytest.raises(Refused, match=r"there is no pg_dump, pg_restore, psql here; .* set PG_BIN") as refusal:
        programs(tmp_path)
    assert refusal.value.code == 3


def whole(folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    for name in native.PROGRAMS:
        (folder / name).touch()


def programs(run: Path, **given: str) -> Path:
    return native.programs(build(given, given, run, run), Layout(run, run))
