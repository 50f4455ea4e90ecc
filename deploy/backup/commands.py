"""`backup`, `restore` and `verify-backup`: one order of steps each, the same against every engine."""

import secrets
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from deploy.backup import files, rows
from deploy.backup.database import LOCK_SECONDS, Database, Session, Trouble
from deploy.choice import must_run
from deploy.console import Console
from deploy.errors import Answer, Failure, Refused, impossible
from deploy.run import undisturbed
from deploy.settings import Settings
from deploy.state import alone

Words = dict[str, Any]
SNAPSHOT = ("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;", "SELECT pg_export_snapshot();")
SERVER = "SELECT current_setting('server_version_num')::int / 10000;"
# The schema goes and comes back in the transaction that fills it: readers see all of the old or all of the new.
EMPTIED = ("DROP SCHEMA IF EXISTS public CASCADE;", "CREATE SCHEMA public AUTHORIZATION pg_database_owner;")
ANYBODYS = ("--no-owner", "--no-privileges")  # the roles of the server it was taken from may not be here
SCRATCH = "ponte_verify_"
LEFT = rf"SELECT datname FROM pg_database WHERE datname ~ '^{SCRATCH}[0-9a-f]{{8}}$';"


def backup(settings: Settings, say: Console, words: Words) -> None:
    target = files.new(settings, words["file"])
    began = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    with alone(settings.run, "backup"):
        database = must_run(settings, say).database()
        with told("no backup was made", impossible), files.draft(target) as file, Session(database) as session:
            contents = dump(database, session, file, say)
            files.publish(target, file, {"taken": began, **contents.as_dict()})
        old = [] if words["file"] else files.forget_old(settings, words["keep"])
    say(f"{contents}, {target.stat().st_size / 1024:,.0f} KiB")
    if old:
        say(f"removed {len(old)} older than the newest {words['keep']} (KEEP)")
    say.answer(settings.shown(target))


def dump(database: Database, session: Session, file: IO[bytes], say: Console) -> rows.Contents:
    """The dump and what is counted show the same moment: both read one snapshot."""
    refuse_older_programs(database, session)
    sequences = rows.sequences(session)
    snapshot = session.ask(*SNAPSHOT)[0][0]
    words = ("--format=custom", f"--snapshot={snapshot}", f"--lock-wait-timeout={LOCK_SECONDS}s")
    with say.progress("dumping the database") as step:
        database.run(database.argv("pg_dump", *words), stdout=file)
        step("counting what it holds")
        return rows.Contents(rows.tables(session), sequences)


def refuse_older_programs(database: Database, session: Session) -> None:
    here, there = database.major(), server(session)
    if here < there:
        raise impossible(
            f"the server is PostgreSQL {there} and the programs here are {here}'s; "
            f"set PG_BIN to a folder with those of {there} (ENGINE=native)"
        )


def server(session: Session) -> int:
    return int(session.ask(SERVER)[0][0])


def restore(settings: Settings, say: Console, words: Words) -> None:
    path = files.named(settings, words["file"])
    if why := files.damage(path):
        raise Refused(why)
    with alone(settings.run, "restore"):
        engine = must_run(settings, say)
        database = engine.database()
        with told("nothing was restored, nothing changed", Answer), Session(database) as session:
            refuse_newer(database, session, path)
            session.ask("BEGIN;", rows.LOCK)
            refuse_data(session)
            contents = refill(database, session, path, say)
            session.ask("ANALYZE;", "COMMIT;")
        engine.migrate()
    say(f"restored {settings.shown(path)}: {contents}")


def refuse_newer(database: Database, session: Session, path: Path) -> None:
    there = server(session)
    try:
        with path.open("rb") as file:
            taken = database.version_of(file)
    except Trouble as trouble:
        raise Refused(f"{path.name} cannot be read by pg_restore of PostgreSQL {database.major()}: {trouble}") from None
    if taken > there:
        raise Refused(f"{path.name} is of PostgreSQL {taken} and the server is {there}; restore it to {taken} or newer")


def refuse_data(session: Session) -> None:
    if used := rows.used(session):
        raise impossible(
            f"the database holds rows ({', '.join(used)}) and nothing is written over; "
            "./ponte backup, ./ponte clean and ./ponte up give an empty one and keep backups"
        )


def refill(database: Database, session: Session, path: Path, say: Console) -> rows.Contents:
    """Within the session's transaction. (!) psql takes a script that ends too early for a whole one: COMMIT is ours."""
    session.ask(*EMPTIED)
    session.say("\\o /dev/null")
    with say.progress("restoring") as step:
        try:
            with path.open("rb") as file:
                database.run([*database.program("pg_restore"), *ANYBODYS, "--file=-"], stdin=file, stdout=session.input)
        except Trouble as trouble:
            raise session.trouble() if session.failed() else trouble from None
        session.ask("\\o")
        step("comparing")
        return compared(path, rows.contents(session))


def compared(path: Path, now: rows.Contents) -> rows.Contents:
    about = files.about(path)
    wrong = rows.differences(rows.revived(about), now) if about else ()
    if sentence := "; ".join(wrong):
        raise Trouble(sentence)
    return now


def verify(settings: Settings, say: Console, words: Words) -> None:
    path = files.named(settings, words["file"])
    if why := files.damage(path):
        raise Answer(why)
    about = files.about(path)
    if not about:
        raise Refused(f"{path.name} has no list of what it holds beside it; only backups of ./ponte backup have one")
    with alone(settings.run, "verify-backup"):
        database = must_run(settings, say).database()
        with told(f"{path.name} does not give back what was there", Answer), Session(database) as session:
            refuse_newer(database, session, path)
            with scratch(session) as name:
                contents = compared(path, restored(database, name, path, say))
    say.answer(f"{settings.shown(path)}: {contents}, as they were at {about['taken']}")


def restored(database: Database, name: str, path: Path, say: Console) -> rows.Contents:
    words = (*ANYBODYS, "--single-transaction", "--exit-on-error")
    with say.progress("restoring into a scratch database") as step:
        with path.open("rb") as file:
            database.run(database.argv("pg_restore", *words, name=name), stdin=file)
        step("comparing")
        with Session(database, name) as session:
            return rows.contents(session)


@contextmanager
def scratch(session: Session) -> Iterator[str]:
    """A database that is gone afterwards; those of killed commands go as well."""
    for (left,) in session.ask(LEFT):
        session.ask(drop(left))
    name = SCRATCH + secrets.token_hex(4)
    try:
        with told("no scratch database can be made", impossible):
            session.ask(f"CREATE DATABASE {name} TEMPLATE template0;")
        yield name
    finally:
        with undisturbed(signal.SIGINT):
            if not session.failed(0):
                session.ask(drop(name))


def drop(name: str) -> str:
    """(!) FORCE: a pg_restore in a container may still be at work when its caller has been interrupted."""
    return f"DROP DATABASE IF EXISTS {name} WITH (FORCE);"


@contextmanager
def told(what: str, kind: Callable[[str], Failure]) -> Iterator[None]:
    try:
        yield
    except Trouble as trouble:
        raise kind(f"{what}: {trouble}") from None
