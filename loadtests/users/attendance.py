"""Who made the load: on the master, a sentence for each worker that comes late, is lost, comes back or leaves."""

import logging
import time
from collections.abc import Iterable
from typing import NoReturn

import gevent
from locust.runners import HEARTBEAT_INTERVAL, STATE_MISSING, STATE_RUNNING, STATE_SPAWNING, MasterRunner

logger = logging.getLogger(__name__)


class Attendance:
    """The workers of a run. Lost are those whose last report is missing; who left in order has reported everything."""

    def __init__(self, runner: MasterRunner):
        self.runner = runner
        self.members: set[str] = set()
        self.lost: set[str] = set()
        self.left: set[str] = set()
        self.started = 0.0
        runner.environment.events.test_start.add_listener(self.begin)
        runner.environment.events.worker_connect.add_listener(self.greet)
        runner.greenlet.spawn(self.watch)

    @property
    def running(self) -> bool:
        return self.runner.state in (STATE_RUNNING, STATE_SPAWNING)

    def begin(self, **_: object) -> None:
        self.members = {each.id for each in self.runner.clients.all if each.state != STATE_MISSING}
        self.lost, self.left = set(), set()
        self.started = time.monotonic()

    def greet(self, client_id: str, **_: object) -> None:
        if not self.running or client_id in self.members:
            return
        self.members.add(client_id)
        seconds = time.monotonic() - self.started
        logger.warning(
            "%s joined %.0f s after the start; until then the others made the load", self.name(client_id), seconds
        )

    def watch(self) -> NoReturn:
        while True:
            gevent.sleep(HEARTBEAT_INTERVAL)
            if self.running:
                self.look()

    def look(self) -> None:
        states = {each.id: each.state for each in self.runner.clients.all}
        silent = {each for each in self.members if states.get(each) == STATE_MISSING}
        back = self.lost & states.keys() - silent
        left = self.members - states.keys() - self.lost - self.left
        self.tell(silent - self.lost, "is lost: it has not been heard of for some seconds")
        self.tell(back, "is back; while it was away the load was smaller")
        self.tell(left, "left during the run; what it measured is in the figures")
        self.lost = (self.lost | silent) - back
        self.left |= left

    def tell(self, workers: Iterable[str], what: str) -> None:
        for each in sorted(workers, key=self.runner.get_worker_index):
            logger.warning("%s %s", self.name(each), what)

    def name(self, worker: str) -> str:
        """`worker 2 (host)`: Locust's own id is the host and 32 digits."""
        return f"worker {self.runner.get_worker_index(worker) + 1} ({worker.rpartition('_')[0]})"

    def lose(self, workers: set[str]) -> None:
        self.tell(workers & self.members - self.lost, "is lost: its last report has not come")
        self.lost |= workers & self.members

    def close(self) -> None:
        """The run's last word: a sentence, and exit code 1, when figures are missing."""
        if not self.lost:
            return
        was, its = ("was", "its") if len(self.lost) == 1 else ("were", "their")
        logger.error(
            "%d of %d workers %s lost; %s requests since %s last report are not in the figures",
            *(len(self.lost), len(self.members), was, its, its),
        )
        self.runner.environment.process_exit_code = self.runner.environment.process_exit_code or 1
