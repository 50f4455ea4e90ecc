"""Users whose requests arrive when they are due, whether or not earlier ones were answered.

A Locust user waits for its answer, so a stack that stalls is asked less and the stall is hardly seen (coordinated
omission). An open-model user starts a task at each arrival; latency counts from that moment.
"""

import logging
import traceback
from itertools import chain
from random import choice

import gevent
import numpy as np
from gevent.event import Event
from gevent.pool import Group
from locust import User
from locust.env import Environment
from locust.exception import StopUser
from locust.user.task import LOCUST_STATE_RUNNING

from loadtests.users import recording
from loadtests.users.alarm import Alarm
from loadtests.users.arrivals import KINDS, arrivals, parse, steady
from loadtests.users.client import Arrival, Client, clock
from loadtests.users.options import RATE

DRAIN_SECONDS = 10.0  # for what is under way after the last arrival, where Locust has no --stop-timeout
LONG_SECONDS = 0.1  # a sleep in which a stop must be heard
logger = logging.getLogger(__name__)


class RecordingUser(User):
    """A user with our client: what it sends is kept as raw samples when `--samples` names a file."""

    abstract = True

    def __init__(self, environment):
        super().__init__(environment)
        if not self.host:
            raise StopUser("no host; give one with --host http://HOST:PORT")
        self.client = Client(environment, self.host, recording.recorder(environment))

    def wrong(self, error: Exception) -> None:
        """A scenario that raises is told as Locust tells it; the run goes on."""
        logger.error("%s\n%s", error, traceback.format_exc())
        self.environment.runner.log_exception("local", str(error), traceback.format_exc())


class OpenModelUser(RecordingUser):
    """Each user is one source of arrivals; two users are twice the rate."""

    abstract = True
    rate: float = 0.0  # arrivals a second of each user; 0: as --rate says
    stages: str = ""  # instead of a rate: `10s@50,30s@100-400`; the user ends with the last one; "": as --stages says
    arrivals: str = ""  # poisson or uniform; "": as --arrivals says
    most_in_flight: int = 5000  # further arrivals are dropped, counted and told

    def run(self) -> None:  # type: ignore[misc]  # Locust's own loop is the closed model
        self._state = LOCUST_STATE_RUNNING
        self.stopping, self.under_way, self.alarm = Event(), Group(), Alarm()
        try:
            self.on_start()
            self.dispatch()
            self.under_way.join(self.environment.stop_timeout or DRAIN_SECONDS)
        finally:
            self.under_way.kill()
            self.alarm.close()
            self.on_stop()

    def stop(self, force: bool = False) -> bool:
        """Ends the arrivals; what is under way has Locust's stop timeout, and none when that is 0."""
        self.stopping.set()
        if force:
            self._group.killone(self._greenlet)
        return force

    def schedule(self):
        """(seconds since the start, stage) of each arrival."""
        options = self.environment.parsed_options
        stages = self.stages or getattr(options, "stages", "")
        rate = self.rate or getattr(options, "rate", RATE)
        kind = self.arrivals or getattr(options, "arrivals", KINDS[0])
        return arrivals(parse(stages) if stages else steady(rate), kind, np.random.default_rng())

    def dispatch(self) -> None:
        tasks = tuple(chain(self.tasks))
        start, spawn, group, sleep_until = clock(), gevent.spawn, self.under_way, self.alarm.sleep_until
        for due, stage in self.schedule():
            intended = start + due
            while (ahead := intended - clock()) > 0:
                self.stopping.wait(ahead - LONG_SECONDS / 2) if ahead > LONG_SECONDS else sleep_until(intended)
                if self.stopping.is_set():
                    return
            arrival = Arrival(intended, stage, len(group))
            if arrival.in_flight >= self.most_in_flight:
                self.client.drop(arrival)
                continue
            group.add(spawn(self.serve, arrival, choice(tasks)))
            if self.stopping.is_set():
                return

    def serve(self, arrival: Arrival, task) -> None:
        gevent.getcurrent().arrival = arrival
        try:
            task(self)
        except StopUser:
            pass
        except Exception as error:
            self.wrong(error)


class ClosedUser(RecordingUser):
    """Waits for its answer before it asks again, at once: as many requests at a time as there are users. For the peak."""

    abstract = True

    def run(self) -> None:  # type: ignore[misc]  # ends by itself after --seconds
        seconds = getattr(self.environment.parsed_options, "seconds", None)
        if seconds:
            gevent.spawn_later(seconds, self.stop)
        super().run()


def end_when_done(environment: Environment) -> None:
    """A run whose users end by themselves is over with the last of them, not at a time that the start has eaten from."""
    runner = environment.runner
    assert runner

    def watch() -> None:
        while not runner.user_count:
            gevent.sleep(LONG_SECONDS)
        while runner.user_count:
            gevent.sleep(LONG_SECONDS)
        runner.quit()

    gevent.spawn(watch)
