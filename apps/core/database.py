"""Connections to PostgreSQL: pools that open on demand, and the drivers of operations."""

import asyncio
import atexit
import os
import random
import socket
import threading
from collections.abc import Callable
from typing import Any

import psycopg
import psycopg_pool

from core.errors import Problem
from core.messages import Operation
from core.settings import Settings

ITEMS = 10_000
IDLE_SECONDS = 30
CONNECT_SECONDS = 2
WAIT_SECONDS = 5
# Shorter than the edge waits (60 s): a query nobody waits for any more must not keep a connection.
STATEMENT_TIMEOUT = "30s"
UNASKED = b"NSA"  # messages a server sends unasked: notices, settings, notifications
UNREACHABLE = (psycopg.OperationalError, psycopg_pool.PoolTimeout, psycopg_pool.PoolClosed)


def connection_arguments(settings: Settings) -> dict[str, Any]:
    """Keyword arguments for psycopg.connect(); the password may come from a file of its own.

    (!) autocommit: each statement is a transaction of its own and ends in PostgreSQL. A process that hangs before it
    has sent a COMMIT would keep what the statement locked: the queue in which every writer of messages stands.
    """
    if not settings.database_url:
        raise unavailable("DATABASE_URL is not set")
    arguments = psycopg.conninfo.conninfo_to_dict(settings.database_url)
    if settings.database_password:
        arguments["password"] = settings.database_password
    arguments |= {"connect_timeout": CONNECT_SECONDS, "application_name": f"{settings.service}/{settings.replica}"}
    return arguments | {"autocommit": True, "options": f"-c statement_timeout={STATEMENT_TIMEOUT} -c lock_timeout=10s"}


def pool_options(settings: Settings) -> dict[str, Any]:
    return {
        "min_size": 0,
        "max_size": settings.database_pool,
        "max_idle": IDLE_SECONDS,
        "timeout": WAIT_SECONDS,
        "reconnect_timeout": WAIT_SECONDS,
    }


def ended(connection: psycopg.Connection | psycopg.AsyncConnection) -> bool:
    """Whether the server has ended the session while it lay idle, by what has arrived; nobody is asked."""
    with socket.socket(fileno=os.dup(connection.fileno())) as link:
        # As libpq has it. (!) MSG_DONTWAIT would not do: gevent would wait for something to read.
        link.setblocking(False)
        try:
            arrived = link.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return False
    return not arrived or arrived not in UNASKED


def check(connection: psycopg.Connection) -> None:
    """What a pool asks before it hands out: an ended session would cost a request a 503, its own check a round trip each."""
    if ended(connection):
        connection.close()
        raise psycopg.OperationalError("the server has ended the session")


async def acheck(connection: psycopg.AsyncConnection) -> None:
    if ended(connection):
        await connection.close()
        raise psycopg.OperationalError("the server has ended the session")


def unavailable(reason: object) -> Problem:
    return Problem(503, f"The database does not answer ({str(reason).splitlines()[0]}).", {"Retry-After": "1"})


def advance(operation: Operation, rows: Any) -> tuple[str, tuple[Any, ...]]:
    return next(operation) if rows is None else operation.send(rows)


def run(cursor: Any, operation: Operation) -> Any:
    """Runs an operation on an open cursor, psycopg's or Django's."""
    rows = None
    try:
        while True:
            cursor.execute(*advance(operation, rows))
            rows = cursor.fetchall() if cursor.description else []
    except StopIteration as end:
        return end.value


async def arun(cursor: psycopg.AsyncCursor, operation: Operation) -> Any:
    rows = None
    try:
        while True:
            statement, values = advance(operation, rows)
            await cursor.execute(statement, values)
            rows = await cursor.fetchall() if cursor.description else []
    except StopIteration as end:
        return end.value


def random_ids(count: int) -> list[int]:
    return random.choices(range(1, ITEMS + 1), k=count)


class Database:
    """Operations for WSGI applications, each on one pooled connection."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.pool = per_process(self._open)

    def _open(self) -> psycopg_pool.ConnectionPool:
        arguments = connection_arguments(self.settings)
        options = pool_options(self.settings)
        pool = psycopg_pool.ConnectionPool(kwargs=arguments, open=True, check=check, **options)
        # (!) Left to the garbage collector, its threads are waited for 5 s each at the exit of Python 3.13.
        atexit.register(pool.close)
        return pool

    def run(self, operation: Operation) -> Any:
        try:
            with self.pool().connection() as connection, connection.cursor() as cursor:
                return run(cursor, operation)
        except UNREACHABLE as error:
            raise unavailable(error) from error


class AsyncDatabase:
    """The same for ASGI applications; the pool belongs to the running event loop."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.pool: psycopg_pool.AsyncConnectionPool | None = None
        self.loop: asyncio.AbstractEventLoop | None = None

    async def run(self, operation: Operation) -> Any:
        try:
            async with (await self._pool()).connection() as connection, connection.cursor() as cursor:
                return await arun(cursor, operation)
        except UNREACHABLE as error:
            raise unavailable(error) from error

    async def _pool(self) -> psycopg_pool.AsyncConnectionPool:
        if self.pool is None:
            self.loop = asyncio.get_running_loop()
            arguments = connection_arguments(self.settings)
            options = pool_options(self.settings)
            self.pool = psycopg_pool.AsyncConnectionPool(kwargs=arguments, open=False, check=acheck, **options)
            await self.pool.open()
        return self.pool

    def run_from_thread(self, operation: Operation) -> Any:
        """For code in a thread, once a pool is open: runs the operation in the pool's event loop."""
        assert self.loop is not None
        return asyncio.run_coroutine_threadsafe(self.run(operation), self.loop).result(2 * WAIT_SECONDS)

    async def close(self) -> None:
        if self.pool is not None:
            await self.pool.close()


def per_process(make: Callable[[], Any]) -> Callable[[], Any]:
    """Makes the value on first use in each process: sockets must not be shared across a fork."""
    made: dict[int, Any] = {}
    lock = threading.Lock()

    def get() -> Any:
        if os.getpid() not in made:
            with lock:
                if os.getpid() not in made:
                    made[os.getpid()] = make()
        return made[os.getpid()]

    return get
