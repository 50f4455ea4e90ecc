"""News of stored messages, from PostgreSQL's NOTIFY, to long polls, event streams and WebSockets.

A process holds one listening connection, opened when the first reader comes. A notification carries
nothing that is relied on: it says that there is something, and the rows above the last id are read.
So a listener that lost its connection catches up by the same step, and nothing arrives twice.
"""

import asyncio
import json
import logging
import threading
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from functools import partial
from typing import Any, NamedTuple, Protocol

import psycopg

from core import messages
from core.database import arun, connection_arguments, run, unavailable
from core.errors import Problem
from core.messages import Operation
from core.settings import Settings
from core.stopping import on_stop, stopping

logger = logging.getLogger("ponte.feed")

PAGE = 500
START_SECONDS = 5
RETRY_SECONDS = 0.5
# A look without a notification: it also finds out that the connection is gone.
LOOK_SECONDS = 5
# A reader that far behind is cut off; it comes back and resumes by its last id.
BACKLOG = 1000
LISTEN = f"LISTEN {messages.CHANNEL}"


class News(NamedTuple):
    """A message as its readers are told of it: written once, however many they are."""

    id: int
    json: str


def news(message: dict[str, Any]) -> News:
    return News(message["id"], json.dumps(message, ensure_ascii=False))


Queue = asyncio.Queue[News | None]


class Runs(Protocol):
    async def run(self, operation: Operation) -> Any: ...


class Feed:
    """The feed of a WSGI process: a thread listens, requests wait."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.newest: int | None = None
        self.changed = threading.Condition()
        self.thread: threading.Thread | None = None
        on_stop(self._wake)

    def wait(self, after: int, seconds: float) -> None:
        """Returns when there is a message with a higher id, when the time is up, or at a stop."""
        self._start()
        with self.changed:
            self.changed.wait_for(lambda: stopping() or (self.newest or 0) > after, seconds)

    def _start(self) -> None:
        with self.changed:
            if self.thread is None:
                self.thread = threading.Thread(target=self._listen, name="feed", daemon=True)
                self.thread.start()
            if not self.changed.wait_for(lambda: self.newest is not None, START_SECONDS):
                raise unavailable("nothing to listen to")

    def _listen(self) -> None:
        while True:
            try:
                self._follow()
            except (psycopg.Error, Problem) as error:
                logger.warning("listener lost its connection: %s", error)
                time.sleep(RETRY_SECONDS)

    def _follow(self) -> None:
        with psycopg.connect(**connection_arguments(self.settings)) as connection:
            connection.execute(LISTEN)
            while True:
                with connection.cursor() as cursor:
                    self.newest = run(cursor, messages.newest())
                self._wake()
                list(connection.notifies(timeout=LOOK_SECONDS, stop_after=1))

    def _wake(self) -> None:
        with self.changed:
            self.changed.notify_all()


class AsyncFeed:
    """The feed of an ASGI process: a task listens, every reader has a queue."""

    def __init__(self, settings: Settings, database: Runs) -> None:
        self.settings = settings
        self.database = database
        self.last = 0
        self.queues: set[Queue] = set()
        self.task: asyncio.Task[None] | None = None
        self.following: asyncio.Event | None = None

    async def start(self) -> None:
        """Listens, if it does not yet; a Problem when the database cannot be reached in time."""
        if self.task is None or self.following is None:
            loop = asyncio.get_running_loop()
            on_stop(partial(loop.call_soon_threadsafe, self._end))
            self.following = asyncio.Event()
            self.task = loop.create_task(self._listen())
        try:
            await asyncio.wait_for(self.following.wait(), START_SECONDS)
        except TimeoutError:
            raise unavailable("nothing to listen to") from None

    async def close(self) -> None:
        if self.task is not None:
            self.task.cancel()
            await asyncio.wait([self.task])

    def reader(self, after: int | None = None) -> "Reader":
        """A place in the feed: messages above `after`, or those from now on."""
        return Reader(self, after)

    async def poll(self, after: int | None, seconds: float) -> list[dict[str, Any]]:
        """Messages above `after` (default: the newest now) as soon as there are; [] when time is up or at a stop."""
        deadline = time.monotonic() + seconds
        async with self.reader(after) as reader:
            last = reader.last
            with suppress(Ended):
                while not (found := await self.database.run(messages.after(last, PAGE))):
                    if not await reader.next(deadline - time.monotonic()):
                        break
            return found

    async def _listen(self) -> None:
        while True:
            try:
                await self._follow()
            except (psycopg.Error, Problem) as error:
                logger.warning("listener lost its connection: %s", error)
                await asyncio.sleep(RETRY_SECONDS)

    async def _follow(self) -> None:
        assert self.following is not None
        arguments = connection_arguments(self.settings)
        async with await psycopg.AsyncConnection.connect(**arguments) as connection:
            await connection.execute(LISTEN)
            if not self.following.is_set():
                async with connection.cursor() as cursor:
                    self.last = await arun(cursor, messages.newest())
                self.following.set()
            while True:
                await self._catch_up(connection)
                async for _ in connection.notifies(timeout=LOOK_SECONDS, stop_after=1):
                    pass

    async def _catch_up(self, connection: psycopg.AsyncConnection) -> None:
        async with connection.cursor() as cursor:
            while page := await arun(cursor, messages.after(self.last, PAGE)):
                for message in page:
                    self._publish(news(message))

    def _publish(self, new: News) -> None:
        self.last = new.id
        for queue in list(self.queues):
            if queue.qsize() < BACKLOG:
                queue.put_nowait(new)
            else:  # the last place is for the news that it is over
                self.queues.discard(queue)
                queue.put_nowait(None)

    def _end(self) -> None:
        for queue in self.queues:
            queue.put_nowait(None)
        self.queues.clear()


class Ended(Exception):
    """The process stops, or this reader was too slow."""


class Reader:
    """One reader of an AsyncFeed, from the moment `async with` is entered."""

    def __init__(self, feed: AsyncFeed, after: int | None) -> None:
        self.feed = feed
        self.after = after
        self.queue: Queue = asyncio.Queue(BACKLOG + 1)

    async def __aenter__(self) -> "Reader":
        await self.feed.start()
        self.feed.queues.add(self.queue)
        if stopping():
            self.queue.put_nowait(None)
        try:
            # The feed may be a moment behind: what is "now" the database knows.
            self.last = await self.feed.database.run(messages.newest()) if self.after is None else self.after
        except Problem:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self.feed.queues.discard(self.queue)

    async def replay(self) -> AsyncIterator[News]:
        """What was stored above `after` before this reader came."""
        while self.after is not None and (page := await self.feed.database.run(messages.after(self.last, PAGE))):
            for message in page:
                self.last = message["id"]
                yield news(message)

    async def next(self, seconds: float | None = None) -> News | None:
        """The next new message, in id order, each once; None when the time is up; Ended when there are no more."""
        try:
            async with asyncio.timeout(seconds):
                while new := await self.queue.get():
                    if new.id > self.last:
                        self.last = new.id
                        return new
        except TimeoutError:
            return None
        raise Ended
