"""The stack's database as PostgreSQL's own programs reach it: pg_dump, pg_restore and a psql held open."""

import re
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from tempfile import TemporaryFile
from types import TracebackType
from typing import IO, Any
from urllib.parse import parse_qsl, unquote, urlsplit

from deploy.errors import impossible
from deploy.run import quiet, show

LOCK_SECONDS = 30  # for somebody's ALTER TABLE to end
SEPARATOR = "\x1f"
END = "ponte:no-more-rows-of"
PSQL = (
    "--no-psqlrc", "--quiet", "--no-align", "--tuples-only", f"--field-separator={SEPARATOR}", "--set=ON_ERROR_STOP=1",
)  # fmt: skip
UNLIMITED = (
    "SET statement_timeout = 0;",
    "SET idle_in_transaction_session_timeout = 0;",
    f"SET lock_timeout = '{LOCK_SECONDS}s';",
)
OTHERWISE_NAMED = {"dbname": "PGDATABASE", "application_name": "PGAPPNAME", "connect_timeout": "PGCONNECT_TIMEOUT"}


class Trouble(Exception):
    """PostgreSQL or one of its programs failed; the text is its own reason."""


@dataclass(frozen=True)
class Database:
    program: Callable[[str], Sequence[str]]  # pg_dump -> the words that start it
    name: str
    environment: Mapping[str, str]  # of the programs: who they are, where the server is

    def argv(self, program: str, *words: str, name: str = "") -> list[str]:
        return [*self.program(program), *words, "--no-password", f"--dbname={name or self.name}"]

    def run(self, argv: Sequence[str], **streams: IO[Any] | int | None) -> None:
        """In the open, between files; raises Trouble with the reason."""
        show(argv)
        with TemporaryFile("w+") as errors:
            done = quiet(argv, env=self.environment, stderr=errors, **streams)
            if done.returncode:
                raise Trouble(reason(said(errors)))

    def major(self) -> int:
        """Of the programs. (!) pg_dump reads no server newer than itself."""
        found = re.search(r"\) (\d+)", quiet([*self.program("pg_dump"), "--version"], capture_output=True).stdout)
        return int(found[1]) if found else 0

    def version_of(self, dump: IO[bytes]) -> int:
        """The major of the PostgreSQL a dump was taken from, which its header tells."""
        asked = quiet(
            [*self.program("pg_restore"), "--list"], env=self.environment, stdin=dump, capture_output=True,
            errors="replace",
        )  # fmt: skip
        found = re.search(r"Dumped from database version: (\d+)", asked.stdout)
        if not found:
            raise Trouble(reason(asked.stderr))
        return int(found[1])


class Session:
    """One psql, held open: several statements in one transaction, which ends undone unless it is committed."""

    def __init__(self, database: Database, name: str = "") -> None:
        argv = database.argv("psql", *PSQL, name=name)
        self.asked = 0
        self.errors = TemporaryFile("w+")  # noqa: SIM115  (closed by __exit__)
        try:  # in a process group of its own: the Ctrl-C that ends us must leave it able to clear away
            self.process = subprocess.Popen(
                argv, env=database.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors,
                text=True, process_group=0,
            )  # fmt: skip
        except FileNotFoundError:
            raise impossible(f"{argv[0]} is not installed") from None
        assert self.process.stdin and self.process.stdout
        self.input, self.output = self.process.stdin, self.process.stdout

    def __enter__(self) -> "Session":
        self.ask(*UNLIMITED)
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """(!) Not waited for when something went wrong: it may be in the middle of a long statement."""
        if error:
            self.process.kill()
        self.process.communicate()
        self.errors.close()

    def ask(self, *statements: str) -> list[list[str]]:
        """The rows of all of them, each a list of words; raises Trouble."""
        self.asked += 1
        end = f"{END} {self.asked}"
        self.say(*statements, f"\\echo {end}")
        rows: list[list[str]] = []
        for line in self.output:
            if line.rstrip("\n") == end:
                return rows
            rows.append(line.rstrip("\n").split(SEPARATOR))
        raise self.trouble()

    def say(self, *statements: str) -> None:
        try:
            self.input.write("".join(f"{each}\n" for each in statements))
            self.input.flush()
        except BrokenPipeError:
            raise self.trouble() from None

    def failed(self, seconds: float = 1) -> bool:
        """Whether it has ended, as it does at the first error."""
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(seconds)
        return self.process.returncode is not None

    def trouble(self) -> Trouble:
        self.process.wait()
        return Trouble(reason(said(self.errors)))


def said(errors: IO[str]) -> str:
    errors.seek(0)
    return errors.read()


def reason(text: str) -> str:
    """The first line that says why, without the name of the program that says it."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    telling = [line for line in lines if re.search("ERROR|FATAL|error:", line)]
    found = (telling or lines or ["it said nothing"])[0]
    return re.sub(r"^.*(?:ERROR|FATAL):\s*|^.*?error:\s*", "", found)


def libpq(url: str) -> dict[str, str]:
    """A postgresql:// address as the variables libpq reads: a password never stands on a command line."""
    parts = urlsplit(url)
    login, _, places = parts.netloc.rpartition("@")
    user, _, password = map(unquote, login.partition(":"))
    hosts, ports = zip(*(place(each) for each in places.split(",")), strict=True)
    values = {
        "host": ",".join(hosts),
        "port": ",".join(ports) if any(ports) else "",
        "user": user,
        "password": password,
        "dbname": unquote(parts.path.lstrip("/")) or user,
    } | dict(parse_qsl(parts.query))
    return {variable(name): value for name, value in values.items() if value}


def place(text: str) -> tuple[str, str]:
    """`host:port`, `host` or `[address]:port` as (host, port); an absent port is empty."""
    host, colon, port = text.rpartition(":")
    if not colon or port.endswith("]"):
        host, port = text, ""
    return unquote(host).strip("[]"), port


def variable(keyword: str) -> str:
    return OTHERWISE_NAMED.get(keyword) or "PG" + keyword.upper().replace("_", "")
