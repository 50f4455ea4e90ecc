"""Being on time: wakes at a moment of CLOCK_MONOTONIC, and says how a phase ended."""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Sequence

from loadtests import timerfile

Progress = Callable[[float, float], None]  # (done, of how many)

AFTER_INTERRUPT_SECONDS = 1.0  # for what is under way
BREATH = 64  # due messages sent in a row before anything else may run
REPORTS = 100  # of progress


def silent(done: float, total: float) -> None:
    """The progress of those who do not want to see it."""


class Pace:
    """Calls `act` with the number of each moment when it has come; late ones follow each other at once."""

    def __init__(self, moments: Sequence[float], act: Callable[[int], object], progress: Progress = silent) -> None:
        self.moments, self.act, self.progress = moments, act, progress
        self.step = max(len(moments) // REPORTS, 1)
        self.next = 0
        self.loop = asyncio.get_running_loop()
        self.over = self.loop.create_future()
        self.file = timerfile.create()

    async def run(self) -> None:
        if self.file >= 0:
            self.loop.add_reader(self.file, self._ring)
        self.loop.call_soon(self._ring)
        try:
            await self.over
        finally:
            self.next = len(self.moments)
            if self.file >= 0:
                self.loop.remove_reader(self.file)
                os.close(self.file)

    def _ring(self) -> None:
        try:
            self._act()
        except Exception as error:
            self.next = len(self.moments)
            if not self.over.done():
                self.over.set_exception(error)

    def _act(self) -> None:
        moments, last = self.moments, len(self.moments)
        stop = min(self.next + BREATH, last)
        while self.next < stop and moments[self.next] <= time.monotonic():
            number = self.next
            self.next += 1
            self.act(number)
            if not number % self.step:
                self.progress(number, last)
        if self.next < last:
            self._wake(moments[self.next])
        elif not self.over.done():
            self.progress(last, last)
            self.over.set_result(None)

    def _wake(self, moment: float) -> None:
        if self.file < 0:
            self.loop.call_at(moment, self._ring)
        else:
            timerfile.ring_at(self.file, moment)


async def paced(moments: Sequence[float], act: Callable[[int], object], progress: Progress = silent) -> None:
    """Acts at each of these moments of CLOCK_MONOTONIC, ascending; returns when the last one was acted on."""
    if len(moments):
        await Pace(moments, act, progress).run()


async def interrupted(work: Awaitable[None]) -> bool:
    """Runs a phase; True when it was cancelled (Ctrl-C), so that what it measured is still reported."""
    try:
        await work
    except asyncio.CancelledError:
        if task := asyncio.current_task():
            task.uncancel()
        return True
    return False


async def until(condition: Callable[[], bool], seconds: float, every: float = 0.02) -> bool:
    """Whether it came true in time."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() >= end:
            return False
        await asyncio.sleep(every)
    return True
