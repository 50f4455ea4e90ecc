"""Connections that are dropped and come back: how many, why, and for how long they were away."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable

import numpy as np

from loadtests.sockets.audience import PUBLISHER, Audience
from loadtests.sockets.connection import Connection
from loadtests.sockets.failures import word
from loadtests.sockets.figures import Array

FIRST_WAIT, LAST_WAIT = 0.1, 2.0  # seconds between two tries, doubled, each with chance so that not all come at once


class Returning:
    """Watches an audience; whoever is closed comes back with `?after=` the last id it has seen."""

    def __init__(self, audience: Audience) -> None:
        self.audience = audience
        self.codes: Counter[int] = Counter()
        self.failures: Counter[str] = Counter()  # of handshakes on the way back
        self.dropped_at: list[float] = []
        self.back_at: list[float] = []
        self.away: dict[int, asyncio.Task[None]] = {}
        for each in [*audience.members, audience.publisher]:
            self.watch(each)

    def watch(self, connection: Connection) -> None:
        connection.left = self.left
        if not connection.open:
            self.left(connection)

    def left(self, connection: Connection) -> None:
        number = connection.number
        place = -1
        if number != PUBLISHER:
            self.codes[connection.close_code] += 1
            self.dropped_at.append(connection.closed_at)
            self.back_at.append(float("nan"))
            place = len(self.back_at) - 1
        self.away[number] = asyncio.get_running_loop().create_task(self.come_back(number, place))

    async def come_back(self, number: int, place: int) -> None:
        wait = FIRST_WAIT
        while True:
            await asyncio.sleep(wait * random.random())
            wait = min(2 * wait, LAST_WAIT)
            try:
                back = await self.audience.open(number, self.audience.last.get(number, self.first_id))
                break
            except Exception as error:
                self.failures[word(error)] += 1
        self.sit(back, number, place)

    @property
    def first_id(self) -> int:
        """Of a subscriber that never got a message: as far back as anyone is."""
        return min(self.audience.last.values(), default=0)

    def sit(self, back: Connection, number: int, place: int) -> None:
        self.away.pop(number, None)
        if number == PUBLISHER:
            self.audience.publisher = back
        else:
            self.audience.members[number] = back
            self.back_at[place] = time.monotonic()
        self.watch(back)

    @property
    def present(self) -> int:
        return sum(each.open for each in self.audience.members)

    async def end(self) -> None:
        """Nobody comes back any more."""
        for each in [*self.audience.members, self.audience.publisher]:
            each.left = None
        tasks = list(self.away.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def back_after(dropped: Array, back: Array, subscribers: int, share: float) -> float:
    """Seconds from the first drop until that share was connected for good; nan when it never was; 0 without drops."""
    if not len(dropped):
        return 0.0
    returned = back[np.isfinite(back)]
    at = np.concatenate((dropped, returned))
    steps = np.concatenate((-np.ones(len(dropped)), np.ones(len(returned))))
    order = np.argsort(at, kind="stable")
    enough = subscribers + np.cumsum(steps[order]) >= share * subscribers
    if not enough[-1]:
        return float("nan")
    short = np.flatnonzero(~enough)
    return float(at[order][short[-1] + 1] - dropped.min()) if len(short) else 0.0


async def run_restart(restart: Callable[[], object]) -> str:
    """Awaits it, in a thread if it is a plain function; a sentence when it failed."""
    try:
        if asyncio.iscoroutinefunction(restart):
            await restart()
        else:
            answer = await asyncio.to_thread(restart)
            if asyncio.iscoroutine(answer):
                await answer
    except Exception as error:
        return f"the restart failed: {error}"
    return ""
