"""Subscribers of the chat, on every replica, and the one who speaks."""

import asyncio
import json
import ssl
import time
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from types import TracebackType

import numpy as np

from loadtests.sockets import stamp
from loadtests.sockets.connection import Connection
from loadtests.sockets.delivery import Record
from loadtests.sockets.errors import Unusable
from loadtests.sockets.figures import Array
from loadtests.sockets.pacing import Progress, paced, silent, until
from loadtests.sockets.pool import Pool
from loadtests.sockets.ramp import Ramp, connect_ramp

PUBLISHER = -1  # its number; subscribers count from 0
OTHERS = -1  # the number of a message that is not ours
HELLO_SECONDS = 10.0
CONNECTS_PER_SECOND = 200.0


class Audience:
    """`async with Audience(base, 100) as audience:` has 100 subscribers and a publisher; for fan_out and its like."""

    def __init__(
        self, base: str, subscribers: int, connect_rate: float = CONNECTS_PER_SECOND, tls: ssl.SSLContext | None = None,
        progress: Progress = silent,
    ) -> None:  # fmt: skip
        self.pool = Pool(base, "/ws/chat", tls)
        self.asked, self.connect_rate, self.progress = subscribers, connect_rate, progress
        self.sender, self.sequence = stamp.new_sender(), 0
        self.members: list[Connection] = []
        self.last: dict[int, int] = {}  # the newest id each has seen, for ?after=
        self.record = Record()
        self.complaints: Counter[str] = Counter()  # answers in the error shape, by their word
        self.read = lru_cache(maxsize=4096)(self._read)  # every subscriber gets the same text

    async def __aenter__(self) -> "Audience":
        await self.pool.__aenter__()
        try:
            self.ramp: Ramp = await connect_ramp(self.pool, self.asked, self.connect_rate, progress=self.progress)
            if self.ramp.interrupted:
                raise asyncio.CancelledError
            await self.gather()
        except BaseException:
            await self.pool.__aexit__(None, None, None)
            raise
        return self

    async def __aexit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.pool.__aexit__(kind, error, trace)

    async def gather(self) -> None:
        self.members = self.pool.alive
        if not self.members:
            raise Unusable(f"{self.pool.url}: no subscriber could connect ({told(self.ramp.failures)})")
        for number, each in enumerate(self.members):
            each.number, each.hear = number, self.hear
        self.publisher = await self.open(PUBLISHER)
        await self.hello()

    async def open(self, number: int, after: int | None = None, narrow: bool = False) -> Connection:
        """A further connection, or one that comes back for what it missed after an id."""
        return await self.pool.open("" if after is None else f"?after={after}", narrow, number, self.hear)

    async def hello(self) -> None:
        """A first message, so that everyone knows an id to come back with."""
        self.say(self.next())
        if not await until(lambda: bool(self.last) or bool(self.complaints), HELLO_SECONDS) or not self.last:
            raise Unusable(f"{self.pool.url}: a message was sent and nobody got it ({told(self.complaints)})")
        await until(lambda: len(self.last) == len(self.members) + 1, seconds=1)

    def next(self) -> int:
        self.sequence += 1
        return self.sequence

    def say(self, number: int, size: int = 0) -> bool:
        text = stamp.write(self.sender, number, size)
        return self.publisher.send(json.dumps({"author": "load test", "text": text}))

    def hear(self, connection: Connection, text: str) -> None:
        at = time.monotonic()
        number, message = self.read(text)
        if number > self.last.get(connection.number, 0):
            self.last[connection.number] = number
        if message != OTHERS:
            self.record.add(message, connection.number, number, at)

    def _read(self, text: str) -> tuple[int, int]:
        """(id, our number of it or OTHERS)"""
        try:
            told = json.loads(text)
            if "error" in told:
                self.complaints[str(told["error"])] += 1
                return 0, OTHERS
            number, found = int(told["id"]), stamp.read(told["text"])
        except (ValueError, KeyError, TypeError, AttributeError):
            self.complaints["not a chat message"] += 1
            return 0, OTHERS
        return number, found.sequence if found and found.sender == self.sender else OTHERS

    @property
    def floor(self) -> int:
        """The newest id that anyone has seen."""
        return max(self.last.values(), default=0)

    @property
    def subscribers(self) -> Array:
        return np.arange(len(self.members))

    def per_replica(self) -> dict[str, Array]:
        """Numbers of the subscribers, by replica."""
        names = np.array([each.replica for each in self.members])
        return {str(name): np.flatnonzero(names == name) for name in np.unique(names)}


def told(counted: dict[str, int]) -> str:
    return ", ".join(f"{name}: {count}" for name, count in counted.items()) or "no error was told"


class Talk:
    """Messages published at a fixed rate: their numbers, when they were due and when they were sent."""

    def __init__(self, audience: Audience, offsets: Sequence[float] | Array, size: int) -> None:
        self.audience, self.size = audience, size
        audience.record, audience.complaints = Record(), Counter()
        audience.read.cache_clear()
        self.first = audience.sequence + 1
        self.intended = time.monotonic() + np.asarray(offsets, dtype=float)
        self.sent = np.full(len(self.intended), np.nan)
        self.begun = 0

    async def publish(self, progress: Progress = silent) -> None:
        await paced(self.intended.tolist(), self.say, progress)

    def say(self, index: int) -> None:
        at, self.begun = time.monotonic(), index + 1
        if self.audience.say(self.audience.next(), self.size):
            self.sent[index] = at

    async def drain(self, seconds: float, subscribers: int) -> None:
        """Until everyone has everything, or the time is up."""
        expected = len(self.numbers) * subscribers
        await until(lambda: len(self.audience.record) >= expected and self.reached() >= expected, seconds, every=0.1)

    def reached(self) -> int:
        arrivals = self.audience.record.arrivals()
        return len(arrivals.where(arrivals.subscriber != PUBLISHER).first().at)

    @property
    def was_sent(self) -> Array:
        return np.flatnonzero(np.isfinite(self.sent))

    @property
    def numbers(self) -> Array:
        """Of the messages that were sent, ascending."""
        return self.first + self.was_sent

    @property
    def unsent(self) -> int:
        """Due, while the publisher's own connection was closed."""
        return self.begun - len(self.was_sent)


def uniform(rate: float, seconds: float) -> Array:
    return np.arange(max(round(rate * seconds), 1)) / rate
