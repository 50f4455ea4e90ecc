"""What a database holds: for every table the number of its rows and a sum of them, in any order, in constant memory."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from deploy.backup.database import Session

MIGRATED = ("public.django_migrations", "public.items")  # filled before anybody has used the stack
# The same text for the same row, whatever the server's own settings are.
PLAIN = (
    "SET search_path = '';", "SET TimeZone = 'UTC';", "SET DateStyle = 'ISO, YMD';", "SET IntervalStyle = 'postgres';",
    "SET extra_float_digits = 1;", "SET bytea_output = 'hex';",
)  # fmt: skip
TABLES = """FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
    WHERE relkind = 'r' AND relpersistence <> 't' AND nspname !~ '^pg_' AND nspname <> 'information_schema'
    AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = pg_class.oid AND deptype = 'e')
    ORDER BY nspname, relname"""
NAME = "pg_class.oid::regclass"
SUM = "coalesce(sum(('x' || left(md5(the_row_itself::text), 15))::bit(60)::bigint), 0)"
# Each makes the statements that \gexec then runs, one a table.
COUNT = f"SELECT format('SELECT %L, count(*), %s FROM ONLY %s AS the_row_itself', {NAME}, $${SUM}$$, {NAME}) {TABLES} \\gexec"
FILLED = f"SELECT format('SELECT %L WHERE EXISTS (SELECT FROM %s)', {NAME}, {NAME}) {TABLES} \\gexec"
LOCK = f"SELECT format('LOCK TABLE %s IN ACCESS EXCLUSIVE MODE', {NAME}) {TABLES} \\gexec"
SEQUENCES = """SELECT format('%I.%I', schemaname, sequencename), last_value FROM pg_sequences
    WHERE last_value IS NOT NULL ORDER BY 1;"""


@dataclass(frozen=True)
class Rows:
    count: int
    sum: str

    def __str__(self) -> str:
        return f"{self.count} row{'s' * (self.count != 1)}"


@dataclass(frozen=True)
class Contents:
    tables: dict[str, Rows]  # by name with schema
    sequences: dict[str, int]  # the last number each has given out

    def __str__(self) -> str:
        return f"{Rows(sum(each.count for each in self.tables.values()), '')} in {len(self.tables)} tables"

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def revived(found: dict[str, Any]) -> Contents:
    return Contents({name: Rows(**each) for name, each in found["tables"].items()}, dict(found["sequences"]))


def sequences(session: Session) -> dict[str, int]:
    """(!) They belong to no transaction: asked before a dump is taken, they are at most what it holds."""
    return {name: int(last) for name, last in session.ask(*PLAIN, SEQUENCES)}


def tables(session: Session) -> dict[str, Rows]:
    return {name: Rows(int(count), total) for name, count, total in session.ask(*PLAIN, COUNT)}


def contents(session: Session) -> Contents:
    return Contents(tables(session), sequences(session))


def used(session: Session) -> list[str]:
    """Tables in which somebody's rows are."""
    return [name for (name,) in session.ask(*PLAIN, FILLED) if name not in MIGRATED]


def differences(was: Contents, now: Contents) -> Iterator[str]:
    """A sentence for each table that is not as it was, and for each sequence that would give a number again."""
    for name in sorted(was.tables.keys() | now.tables.keys()):
        before, after = was.tables.get(name), now.tables.get(name)
        if not before or not after:
            yield f"{name} {'is missing' if before else 'was not there'}"
        elif before.count != after.count:
            yield f"{name} had {before} and has {after.count}"
        elif before != after:
            yield f"{name} has other rows than it had"
    for name, last in was.sequences.items():
        if now.sequences.get(name, 0) < last:
            yield f"{name} is at {now.sequences.get(name, 0)} and was at {last}"
