"""Sleeps until a moment: by a timer file where there is one, else by gevent's timers, and the send lag says so."""

import os
import time

import gevent
from gevent.hub import get_hub

from loadtests import timerfile

READ = 1


class Alarm:
    def __init__(self) -> None:
        self.file = timerfile.create()
        self.ready = get_hub().loop.io(self.file, READ) if self.file >= 0 else None

    def sleep_until(self, moment: float) -> None:
        """`moment` on time.monotonic()."""
        if not self.ready:
            return gevent.sleep(max(0.0, moment - time.monotonic()))
        timerfile.ring_at(self.file, moment)
        get_hub().wait(self.ready)
        os.read(self.file, 8)

    def close(self) -> None:
        if self.ready:
            self.ready.close()
            os.close(self.file)
            self.ready = None
