"""Phase: messages arrive at a rate, Poisson over all connections, and each is expected back."""

import time
from array import array
from dataclasses import dataclass
from uuid import uuid4

import numpy as np

from loadtests.measure.samples import LATE_SECONDS
from loadtests.sockets.connection import Connection, ignore
from loadtests.sockets.errors import Unusable, positive
from loadtests.sockets.figures import Array, percentile
from loadtests.sockets.pacing import AFTER_INTERRUPT_SECONDS, Progress, interrupted, paced, silent, until
from loadtests.sockets.pool import Pool
from loadtests.users.arrivals import Stage, arrivals

WIDTH = 10  # digits of a message's number
SIZE = 64  # characters of a message, at least


@dataclass(frozen=True)
class Echo:
    """Seconds. Latency counts from when a message was due, so a generator or server that stalls is seen."""

    connections: int
    rate: float
    due: int
    sent: int
    received: int
    lost: int  # due and not echoed, be it that the connection had closed
    late: int  # sent more than 5 ms after they were due
    duplicates: int
    p50: float
    p99: float
    max: float
    send_lag_p99: float
    achieved: float  # echoes a second
    cpu: float  # of the generator, a message
    interrupted: bool
    intended: Array
    sent_at: Array  # nan for what was not sent
    done: Array  # nan for what did not come back


async def echo_at_rate(
    pool: Pool, rate: float, seconds: float, size: int = SIZE, drain: float = 5.0, progress: Progress = silent
) -> Echo:
    """Over the connections that are open now, each message on one of them by chance."""
    positive(rate=rate, seconds=seconds)
    if not (over := pool.alive):
        raise Unusable("there is no open connection to send on")
    run = Run(over, rate, seconds, size, progress)
    try:
        if stopped := await interrupted(run.all(drain)):
            await run.drain(AFTER_INTERRUPT_SECONDS)
    finally:
        run.end()
    return run.result(stopped)


class Run:
    def __init__(self, over: list[Connection], rate: float, seconds: float, size: int, progress: Progress) -> None:
        rng = np.random.default_rng()
        self.over, self.rate, self.size, self.progress = over, rate, size, progress
        offsets = np.array([due for due, _ in arrivals((Stage(seconds, rate, rate),), "poisson", rng)])
        self.chosen = rng.integers(len(over), size=len(offsets)).tolist()
        self.token = uuid4().hex[:8]
        self.duplicates = self.received = self.asked = self.begun = 0
        self.cpu, self.start = time.process_time(), time.monotonic()
        self.intended = self.start + offsets
        self.sent, self.done = blank(len(offsets)), blank(len(offsets))
        self.stop = self.start
        for each in over:
            each.hear = self.hear

    async def all(self, drain: float) -> None:
        await paced(self.intended.tolist(), self.say, self.progress)
        await self.drain(drain)

    async def drain(self, seconds: float) -> None:
        await until(lambda: self.received == self.asked or not any(each.open for each in self.over), seconds)

    def say(self, number: int) -> None:
        at, self.begun = time.monotonic(), number + 1
        if self.over[self.chosen[number]].send(f"{self.token}{number:0{WIDTH}d}".ljust(self.size, ".")):
            self.sent[number] = at
            self.asked += 1

    def hear(self, connection: Connection, text: str) -> None:
        at = time.monotonic()
        if not text.startswith(self.token):
            return
        number = int(text[len(self.token) : len(self.token) + WIDTH])
        if self.done[number] == self.done[number]:
            self.duplicates += 1
            return
        self.done[number] = self.stop = at
        self.received += 1

    def end(self) -> None:
        self.cpu = time.process_time() - self.cpu
        for each in self.over:
            each.hear = ignore

    def result(self, stopped: bool) -> Echo:
        sent, done = np.frombuffer(self.sent), np.frombuffer(self.done)
        intended, sent, done = self.intended[: self.begun], sent[: self.begun], done[: self.begun]
        latency, lag = done - intended, sent - intended
        return Echo(
            len(self.over), self.rate, self.begun, self.asked, self.received, self.begun - self.received,
            int(np.sum(lag > LATE_SECONDS)), self.duplicates, percentile("p50", latency), percentile("p99", latency),
            percentile("max", latency), percentile("p99", lag), self.received / max(self.stop - self.start, 1e-9),
            self.cpu / max(self.asked, 1), stopped, intended, sent, done,
        )  # fmt: skip


def blank(length: int) -> array:
    return array("d", [float("nan")]) * length
