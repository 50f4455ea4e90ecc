"""Whether a replica can do its work now: the database answers, and nobody has told it to stop."""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeout
from typing import Any

from core.errors import Problem
from core.stopping import stopping

# The contract promises a decision within 2 s.
DECISION_SECONDS = 1.8
READY = {"database": "ok"}


def refuse_when_stopping() -> None:
    if stopping():
        raise Problem(503, "stopping: this replica is finishing its requests and takes no more.", {"Retry-After": "1"})


def late() -> Problem:
    return Problem(503, f"database: no answer within {DECISION_SECONDS} s.", {"Retry-After": "1"})


def failed(problem: Problem) -> Problem:
    return Problem(503, f"database: {problem.detail}", problem.headers)


class Readiness:
    """At most one check runs at a time: a database that hangs costs one thread, not one a probe."""

    def __init__(self, check: Callable[[], Any]) -> None:
        self.check = check
        self.executor = ThreadPoolExecutor(1, "readiness")
        self.running: Future[Any] | None = None

    def ask(self) -> dict[str, str]:
        refuse_when_stopping()
        if self.running is None or self.running.done():
            self.running = self.executor.submit(self.check)
        try:
            self.running.result(DECISION_SECONDS)
        except FutureTimeout:
            raise late() from None
        except Problem as problem:
            raise failed(problem) from problem
        return READY


class AsyncReadiness:
    def __init__(self, check: Callable[[], Awaitable[Any]]) -> None:
        self.check = check
        self.running: asyncio.Future[Any] | None = None

    async def ask(self) -> dict[str, str]:
        refuse_when_stopping()
        if self.running is None or self.running.done():
            self.running = asyncio.ensure_future(self.check())
        done, _ = await asyncio.wait([self.running], timeout=DECISION_SECONDS)
        if not done:
            raise late()
        try:
            self.running.result()
        except Problem as problem:
            raise failed(problem) from problem
        return READY
