"""PostgreSQL's programs of this machine, for the stack's database or that of DATABASE_URL."""

from pathlib import Path
from shutil import which

from deploy.backup.database import Database, libpq
from deploy.errors import impossible
from deploy.native import postgres
from deploy.native.layout import Layout
from deploy.settings import Settings

PROGRAMS = ("pg_dump", "pg_restore", "psql")


def database(settings: Settings, layout: Layout) -> Database:
    folder = programs(settings, layout)
    variables = libpq((layout.secrets / "database_url").read_text().strip())
    return Database(lambda program: (str(folder / program),), variables["PGDATABASE"], postgres.clean() | variables)


def programs(settings: Settings, layout: Layout) -> Path:
    """Those of the server that runs; for one of the user's own the newest here."""
    if settings.database_url or settings.database_url_file:
        found = [each.bin for each in postgres.candidates(settings)]
        found += [Path(path).parent for path in [which("pg_dump")] if path]
    else:
        found = [postgres.locate(settings, layout.data).bin]
    whole = [each for each in found if all((each / program).exists() for program in PROGRAMS)]
    if not whole:
        raise impossible(f"there is no {', '.join(PROGRAMS)} here; install PostgreSQL's client, or set PG_BIN")
    return whole[0]
