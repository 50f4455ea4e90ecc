"""Phase: one subscriber stops reading; do the others suffer, and does it get everything in the end?"""

import time
from dataclasses import dataclass, field

import numpy as np

from loadtests.sockets.audience import Audience, Talk, uniform
from loadtests.sockets.connection import Connection
from loadtests.sockets.delivery import Delivery, summary
from loadtests.sockets.errors import positive
from loadtests.sockets.failures import word
from loadtests.sockets.fanout import DRAIN_SECONDS, FanOut, fan_out, publish
from loadtests.sockets.fanout import result as fanned_out
from loadtests.sockets.pacing import Progress, interrupted, silent, until
from loadtests.sockets.stamp import LONGEST

CATCH_UP_SECONDS = 30.0
CLOSES_KEPT = 20


@dataclass(frozen=True)
class SlowConsumer:
    """Seconds. `during` are the others, while one does not read; `before` the same without it."""

    before: FanOut
    during: FanOut
    p99_ratio: float  # delivery of the others, during / before
    slow: Delivery  # everything it got, after it read again and came back if it had to
    closed: bool
    close_code: int  # of its connection; 0 when it stayed
    catch_up: float  # from reading again until it had everything; nan if it never had
    failure: str  # why it could not come back, if it could not
    bytes_unread: int  # of text, while it did not read: less than the buffers on the way hold and nothing is shown
    interrupted: bool


async def slow_consumer(
    audience: Audience, rate: float, seconds: float, size: int = LONGEST, drain: float = DRAIN_SECONDS,
    catch_up: float = CATCH_UP_SECONDS, progress: Progress = silent,
) -> SlowConsumer:  # fmt: skip
    """Publishes for `seconds` twice: first as it should be, then with a further subscriber that does not read."""
    positive(rate=rate, seconds=seconds)
    before = await fan_out(audience, rate, seconds, size, drain, lambda done, total: progress(done, 2 * total))
    run = Run(audience, rate, seconds, size)
    stopped = before.interrupted or await interrupted(run.all(drain, catch_up, progress))
    return run.result(before, stopped)


@dataclass
class Run:
    audience: Audience
    rate: float
    seconds: float
    size: int
    failure: str = ""
    close_code: int = 0
    caught_up: float = float("nan")
    during: FanOut | None = None
    talk: Talk = field(init=False)

    def __post_init__(self) -> None:
        self.talk = Talk(self.audience, uniform(self.rate, self.seconds), self.size)

    @property
    def number(self) -> int:
        """Of the slow one: after all subscribers."""
        return len(self.audience.members)

    async def all(self, drain: float, catch_up: float, progress: Progress) -> None:
        slow = await self.audience.open(self.number, narrow=True)
        self.audience.last[self.number] = self.audience.floor
        self.talk = Talk(self.audience, uniform(self.rate, self.seconds), self.size)
        slow.pause()
        total = 2 * len(self.talk.intended)
        await publish(self.talk, drain, self.number, lambda done, half: progress(half + done, total))
        self.keep()
        await self.read_again(slow, catch_up)

    def keep(self) -> None:
        """The figures of the others, before the slow one reads on."""
        self.during = fanned_out(self.audience, self.talk, self.rate, {}, False)

    async def read_again(self, slow: Connection, seconds: float) -> None:
        start = time.monotonic()
        slow.resume()
        await until(lambda: self.complete() or not slow.open, seconds)
        if not slow.open:
            self.close_code = slow.close_code
            slow = await self.come_back() or slow
            await until(self.complete, seconds)
        if self.complete():
            self.caught_up = time.monotonic() - start
        slow.leave()

    async def come_back(self) -> Connection | None:
        try:
            return await self.audience.open(self.number, self.audience.last[self.number])
        except Exception as error:
            self.failure = word(error)
            return None

    def complete(self) -> bool:
        arrivals = self.audience.record.arrivals()
        return len(np.unique(arrivals.message[arrivals.subscriber == self.number])) >= len(self.talk.numbers)

    def result(self, before: FanOut, stopped: bool) -> SlowConsumer:
        if self.during is None:
            self.keep()
        assert self.during is not None
        talk, arrivals = self.talk, self.audience.record.arrivals()
        own = summary(arrivals, talk.numbers, talk.intended[talk.was_sent], np.array([self.number]))
        ratio = self.during.total.p99 / before.total.p99 if before.total.p99 else float("nan")
        unread = len(talk.was_sent) * max(self.size, 1)
        return SlowConsumer(before, self.during, ratio, own, bool(self.close_code), self.close_code, self.caught_up,
                            self.failure, unread, stopped)  # fmt: skip
