"""Jobs: accepted at once, worked off in threads, visible to every replica, finished before a graceful stop."""

import logging
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from core.errors import Problem, not_found
from core.messages import Operation
from core.params import UUID

logger = logging.getLogger("ponte.jobs")

# Jobs only wait, so many fit; more than these are queued.
AT_ONCE = 64
BEAT_SECONDS = 1
# A job whose process has not said for that long that it is alive is lost.
LOST_SECONDS = 5
# How long a result is kept trying to reach a database that is away.
REPORT_SECONDS = 20

INSERT = "INSERT INTO jobs (id, ms, status, replica, beat) VALUES (%s, %s, 'queued', %s, now())"
STATUS = "UPDATE jobs SET status = %s, beat = now() WHERE id = %s"
BEAT = "UPDATE jobs SET beat = now() WHERE id = ANY(%s)"
FIND = f"""SELECT CASE WHEN status <> 'done' AND beat < now() - interval '{LOST_SECONDS} s' THEN 'lost' ELSE status END,
                  replica FROM jobs WHERE id = %s"""


def execute(statement: str, *values: Any) -> Operation:
    return (yield statement, values)


def find(number: str) -> Operation:
    """A job as its reader sees it; a Problem 404 when there is none."""
    found = (yield FIND, (number,)) if UUID.fullmatch(number) else []
    if not found:
        raise not_found("There is no such job.")
    return {"id": number, "status": found[0][0], "replica": found[0][1]}


class Jobs:
    """Runs jobs of one process; `run` executes an operation and may be called from any thread."""

    def __init__(self, run: Callable[[Operation], Any], replica: str) -> None:
        self.run = run
        self.replica = replica
        self.executor = ThreadPoolExecutor(AT_ONCE, "job")
        self.alive: set[str] = set()
        self.beating = threading.Lock()

    @staticmethod
    def new_id() -> str:
        return str(uuid.uuid4())

    def create(self, number: str, ms: int) -> Operation:
        return execute(INSERT, number, ms, self.replica)

    def start(self, number: str, ms: int) -> dict[str, Any]:
        """Queues a job that `create` has stored."""
        self.alive.add(number)
        self.executor.submit(self._work, number, ms)
        if self.beating.acquire(blocking=False):
            threading.Thread(target=self._beat, name="beat", daemon=True).start()
        return {"id": number, "status": "queued"}

    def finish(self) -> None:
        """Waits until every accepted job is done."""
        self.executor.shutdown(wait=True)

    def _work(self, number: str, ms: int) -> None:
        try:
            self._report("running", number)
            time.sleep(ms / 1000)
            self._report("done", number)
        except Problem as problem:
            logger.error("job %s is lost: %s", number, problem.detail)
        finally:
            self.alive.discard(number)

    def _report(self, status: str, number: str) -> None:
        deadline = time.monotonic() + REPORT_SECONDS
        while True:
            try:
                return self.run(execute(STATUS, status, number))
            except Problem:
                if time.monotonic() > deadline:
                    raise
                time.sleep(BEAT_SECONDS)

    def _beat(self) -> None:
        try:
            while self.alive:
                time.sleep(BEAT_SECONDS)
                self.run(execute(BEAT, list(self.alive)))
        except Problem as problem:
            logger.warning("no beat: %s", problem.detail)
        finally:
            self.beating.release()
