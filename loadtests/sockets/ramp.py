"""Phase: connections arrive at a fixed rate, whether or not earlier ones are through."""

import asyncio
import time
from collections import Counter
from dataclasses import dataclass

import numpy as np

from loadtests.measure.samples import LATE_SECONDS
from loadtests.sockets import memory as bytes_of
from loadtests.sockets.errors import Unusable, positive
from loadtests.sockets.failures import word
from loadtests.sockets.figures import Array, percentile
from loadtests.sockets.limits import raise_open_files
from loadtests.sockets.pacing import AFTER_INTERRUPT_SECONDS, Progress, interrupted, paced, silent
from loadtests.sockets.pool import Pool

OPENED = "opened"


@dataclass(frozen=True)
class Ramp:
    """Seconds and bytes. Latency is that of the handshake, from when the connection was due."""

    asked: int
    rate: float
    opened: int
    failures: dict[str, int]  # by word: 502, 503, refused, timeout, EMFILE, closed, ...
    replicas: dict[str, int]  # connections by SERVICE/REPLICA
    p50: float
    p99: float
    max: float
    late: int  # started more than 5 ms after they were due
    seconds: float
    generator_per_connection: float
    server_before: dict[str, float]
    server_after: dict[str, float]
    server_per_connection: dict[str, float]
    interrupted: bool
    intended: Array
    sent: Array
    done: Array  # nan for a failure
    outcome: Array  # words, one per connection that was started


async def connect_ramp(
    pool: Pool, connections: int, rate: float, memory: bytes_of.Memory | None = None, progress: Progress = silent
) -> Ramp:
    """Fills the pool. Raises Unusable when the limit of open files forbids it."""
    positive(connections=connections, rate=rate)
    if short := raise_open_files(connections):
        raise Unusable(short)
    run = Run(pool, connections, rate, progress)
    own, told = bytes_of.own(), await bytes_of.told(memory)
    stopped = await interrupted(run.all())
    return run.result(stopped, bytes_of.own() - own, told, await bytes_of.told(memory))


class Run:
    def __init__(self, pool: Pool, connections: int, rate: float, progress: Progress) -> None:
        self.pool, self.connections, self.rate, self.progress = pool, connections, rate, progress
        self.start = time.monotonic()
        self.intended = self.start + np.arange(connections) / rate
        self.sent, self.done = np.full(connections, np.nan), np.full(connections, np.nan)
        self.outcome = [""] * connections
        self.replicas: Counter[str] = Counter()
        self.finished = 0

    async def all(self) -> None:
        tasks: list[asyncio.Task[None]] = []
        try:
            await paced(self.intended.tolist(), lambda number: tasks.append(asyncio.create_task(self.one(number))))
            await asyncio.gather(*tasks)
        except asyncio.CancelledError:
            await self.settle(tasks)
            raise

    async def settle(self, tasks: list[asyncio.Task[None]]) -> None:
        if under_way := [task for task in tasks if not task.done()]:
            await asyncio.wait(under_way, timeout=AFTER_INTERRUPT_SECONDS)

    async def one(self, number: int) -> None:
        self.sent[number] = time.monotonic()
        try:
            connection = await self.pool.open()
        except Exception as error:
            self.outcome[number] = word(error)
        else:
            self.done[number], self.outcome[number] = time.monotonic(), OPENED
            self.replicas[connection.replica] += 1
        self.finished += 1
        self.progress(self.finished, self.connections)

    def result(self, stopped: bool, own: int, before: dict[str, float], after: dict[str, float]) -> Ramp:
        latency = self.done - self.intended
        counted = Counter(self.outcome)
        opened = counted.pop(OPENED, 0)
        counted.pop("", None)
        return Ramp(
            self.connections, self.rate, opened, dict(counted), dict(self.replicas),
            percentile("p50", latency), percentile("p99", latency), percentile("max", latency),
            int(np.sum(self.sent - self.intended > LATE_SECONDS)), time.monotonic() - self.start,
            own / opened if opened else float("nan"), before, after, bytes_of.each(before, after, opened),
            stopped, self.intended, self.sent, self.done, np.array(self.outcome),
        )  # fmt: skip
