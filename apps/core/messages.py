"""Messages and rows as operations: generators that yield (SQL, values) and are sent the rows.

Written once, run by `core.database` over psycopg, sync or async, and over Django's connection.
"""

from collections.abc import Generator
from typing import Any

from core.errors import unprocessable

Rows = list[tuple[Any, ...]]
Operation = Generator[tuple[str, tuple[Any, ...]], Rows, Any]

CHANNEL = "ponte_messages"
# Any constant: it names the one queue in which writers of messages stand.
ORDER_LOCK = 0x706F6E74
COLUMNS = "id, author, text, to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'), replica"

# Takes the lock before the id is drawn, stores nothing where the key is known, and announces. (!) One statement: writers
# of every replica wait for one another from the lock to the commit, and each answer in between costs all of them.
STORE = f"""
WITH queue AS MATERIALIZED (SELECT pg_advisory_xact_lock({ORDER_LOCK})),
stored AS (
    INSERT INTO messages (author, text, replica, idempotency_key)
    SELECT %s::text, %s::text, %s::text, %s::uuid FROM queue
    ON CONFLICT (idempotency_key) DO NOTHING
    RETURNING id, author, text, at, replica
)
SELECT {COLUMNS}, pg_notify(%s, id::text) FROM stored
"""
BY_KEY = f"SELECT {COLUMNS} FROM messages WHERE idempotency_key = %s"
AFTER = f"SELECT {COLUMNS} FROM messages WHERE id > %s ORDER BY id LIMIT %s"
NEWEST = "SELECT coalesce(max(id), 0) FROM messages"
ITEM = "SELECT id, value FROM items WHERE id = %s"
PING = "SELECT 1"


def row(values: tuple[Any, ...]) -> dict[str, Any]:
    return dict(zip(("id", "author", "text", "at", "replica"), values, strict=True))


def store(author: str, text: str, replica: str, key: str | None = None) -> Operation:
    """Stores a message and returns its row; a repeated key returns the row it made the first time.

    Ids become visible in their order.
    """
    if stored := (yield STORE, (author, text, replica, key, CHANNEL)):
        *values, _ = stored[0]
        return row(tuple(values))
    return same(row((yield BY_KEY, (key,))[0]), author, text)


def same(stored: dict[str, Any], author: str, text: str) -> dict[str, Any]:
    if (stored["author"], stored["text"]) != (author, text):
        raise unprocessable("This Idempotency-Key was used with another message.")
    return stored


def after(last: int, limit: int) -> Operation:
    """Rows with an id above `last`, ascending, at most `limit`."""
    return [row(values) for values in (yield AFTER, (last, limit))]


def newest() -> Operation:
    """The largest id there is, 0 when there is none."""
    return (yield NEWEST, ())[0][0]


def items(ids: list[int]) -> Operation:
    """One SELECT for each id, all on one connection."""
    found = []
    for number in ids:
        found.append(dict(zip(("id", "value"), (yield ITEM, (number,))[0], strict=True)))
    return found


def ping() -> Operation:
    yield PING, ()
