"""Phase: connections that say nothing are held, past the time after which a proxy may cut them."""

import asyncio
import time
from collections import Counter
from dataclasses import dataclass

import numpy as np

from loadtests.sockets import memory as bytes_of
from loadtests.sockets.connection import Connection
from loadtests.sockets.errors import Unusable, positive
from loadtests.sockets.figures import Array
from loadtests.sockets.pacing import Progress, interrupted, silent, until
from loadtests.sockets.pool import Pool

HOLD_SECONDS = 75.0  # nginx cuts what is silent for 60, by default
PONG_SECONDS = 5.0


@dataclass(frozen=True)
class Hold:
    """Seconds and bytes."""

    connections: int
    seconds: float
    lost: int
    close_codes: dict[int, int]  # 1006: closed without a close frame
    silent: int  # still open, and our ping at the end was not answered
    pings: int  # of the server, each answered
    server_before: dict[str, float]
    server_after: dict[str, float]
    interrupted: bool
    lost_after: Array  # seconds from the start, one per lost connection


async def hold_idle(
    pool: Pool, seconds: float = HOLD_SECONDS, memory: bytes_of.Memory | None = None, progress: Progress = silent
) -> Hold:
    """Of the connections that are open now."""
    positive(seconds=seconds)
    held = pool.alive
    if not held:
        raise Unusable("there is no open connection to hold")
    before, pings, start = await bytes_of.told(memory), count_pings(held), time.monotonic()
    stopped = await interrupted(wait(start, seconds, progress))
    lasted = time.monotonic() - start
    lost = [each for each in held if not each.open]
    deaf = 0 if stopped else await unanswered([each for each in held if each.open])
    after = np.array([each.closed_at - start for each in lost])
    codes = dict(Counter(each.close_code for each in lost))
    return Hold(len(held), lasted, len(lost), codes, deaf, count_pings(held) - pings, before,
                await bytes_of.told(memory), stopped, after)  # fmt: skip


async def wait(start: float, seconds: float, progress: Progress) -> None:
    while (passed := time.monotonic() - start) < seconds:
        progress(passed, seconds)
        await asyncio.sleep(min(0.5, seconds - passed))
    progress(seconds, seconds)


def count_pings(connections: list[Connection]) -> int:
    return sum(each.pings for each in connections)


async def unanswered(connections: list[Connection]) -> int:
    """How many do not answer a ping: open for us, gone for the other side."""
    before = [each.pongs for each in connections]
    for number, each in enumerate(connections):
        each.ping()
        if number % 200 == 199:
            await asyncio.sleep(0.01)

    def missing() -> int:
        return sum(each.pongs == old and each.open for each, old in zip(connections, before, strict=True))

    await until(lambda: not missing(), PONG_SECONDS, every=0.05)
    return missing()
