"""Phase: the stack restarts its replicas while subscribers listen, are cut off and come back."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from loadtests.sockets.audience import PUBLISHER, Audience, Talk, uniform
from loadtests.sockets.delivery import Delivery, summary
from loadtests.sockets.errors import positive
from loadtests.sockets.figures import Array, percentile
from loadtests.sockets.outages import Returning, back_after, run_restart
from loadtests.sockets.pacing import Progress, interrupted, silent, until

BACK_SHARE = 0.99
SETTLE_SECONDS = 1.0
LONGEST_SECONDS = 300.0  # of a restart and what follows, at most
TRUTH = -2  # the number of the connection that reads what was stored


@dataclass(frozen=True)
class Restart:
    """Seconds. Expected of every subscriber is each message that was stored, once and in order."""

    subscribers: int
    dropped: int
    close_codes: dict[int, int]
    failures: dict[str, int]  # of handshakes on the way back, by word
    never_back: int
    back_99: float  # from the first drop until 99 % were connected for good; nan when they never were
    outage_p50: float
    outage_p99: float
    outage_max: float
    restart: float  # how long the callback took
    failure: str  # a sentence when the callback failed or was not over in time
    sent: int
    stored: int
    unsent: int  # due while the publisher was away
    verified: bool  # what was stored was read back; else it is what anyone got
    missed: int
    duplicated: int
    delivery: Delivery
    interrupted: bool
    dropped_at: Array
    back_at: Array  # nan for who did not come back
    message: Array
    subscriber: Array
    id: Array
    at: Array


async def restart_under(
    audience: Audience, restart: Callable[[], object], rate: float = 10.0, drain: float = 5.0,
    seconds: float = LONGEST_SECONDS, progress: Progress = silent,
) -> Restart:  # fmt: skip
    """Awaits `restart` (async, or plain in a thread) while messages are published; progress is (connected, of all)."""
    positive(rate=rate, seconds=seconds)
    run = Run(audience, restart, rate, seconds)
    stopped = await interrupted(run.all(drain, progress))
    await run.returning.end()
    return run.result(stopped)


class Run:
    def __init__(self, audience: Audience, restart: Callable[[], object], rate: float, seconds: float) -> None:
        self.audience, self.restart, self.seconds = audience, restart, seconds
        self.floor, self.start = audience.floor, time.monotonic()
        self.talk = Talk(audience, uniform(rate, seconds + 2 * SETTLE_SECONDS), 0)
        self.returning = Returning(audience)
        self.subscribers = len(audience.members)
        self.failure, self.lasted, self.verified = "the restart was not over in time", float("nan"), False

    async def all(self, drain: float, progress: Progress) -> None:
        talking = asyncio.create_task(self.talk.publish())
        try:
            await asyncio.sleep(SETTLE_SECONDS)
            await self.over(progress)
            await asyncio.sleep(SETTLE_SECONDS)
        finally:
            talking.cancel()
            await asyncio.gather(talking, return_exceptions=True)
        await self.talk.drain(drain, self.subscribers)
        self.verified = await self.read_back(drain)

    async def over(self, progress: Progress) -> None:
        """The restart, and until everyone is back."""
        end = time.monotonic() + self.seconds
        restarting = asyncio.create_task(self.timed())

        def back() -> bool:
            progress(self.returning.present, self.subscribers)
            return restarting.done() and not self.returning.away

        try:
            await until(back, end - time.monotonic(), every=0.1)
        finally:
            restarting.cancel()

    async def timed(self) -> None:
        start = time.monotonic()
        self.failure = await run_restart(self.restart)
        self.lasted = time.monotonic() - start

    async def read_back(self, seconds: float) -> bool:
        """What was stored: a fresh connection replays it, up to a last message that is sent now."""
        last = self.audience.next()
        if not self.audience.say(last):
            return False
        try:
            truth = await self.audience.open(TRUTH, self.floor)
        except Exception:
            return False
        found = await until(lambda: last in self.audience.record.message, seconds) and await until(
            lambda: last in self.heard(TRUTH), seconds
        )
        truth.leave()
        return found

    def heard(self, subscriber: int) -> Array:
        arrivals = self.audience.record.arrivals()
        return arrivals.message[arrivals.subscriber == subscriber]

    def stored(self) -> Array:
        """Numbers of the messages, ascending."""
        heard = self.heard(TRUTH) if self.verified else self.audience.record.arrivals().message
        return np.intersect1d(heard, self.talk.numbers)

    def result(self, stopped: bool) -> Restart:
        arrivals, stored = self.audience.record.arrivals(), self.stored()
        whole = summary(arrivals, stored, self.talk.intended[stored - self.talk.first], np.arange(self.subscribers))
        dropped, back = np.array(self.returning.dropped_at), np.array(self.returning.back_at)
        away, kept = back - dropped, arrivals.where(arrivals.subscriber > PUBLISHER)
        return Restart(
            self.subscribers, len(dropped), dict(self.returning.codes), dict(self.returning.failures),
            int(np.isnan(back).sum()), back_after(dropped, back, self.subscribers, BACK_SHARE),
            percentile("p50", away), percentile("p99", away), percentile("max", away), self.lasted, self.failure,
            len(self.talk.was_sent), len(stored), self.talk.unsent, self.verified, whole.lost, whole.duplicates,
            whole, stopped, dropped, back, kept.message - self.talk.first, kept.subscriber, kept.id, kept.at,
        )  # fmt: skip
