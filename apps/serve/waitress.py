"""`python -m serve.waitress --port 8000 app:app`: Waitress with its own options, finishing its requests when it stops.

The stock server knows no SIGTERM and dies of it. This one closes the listener, serves what it has, and gives idle
connections a while for what the proxy is just sending.
"""

import os
import signal
import sys
import time
from collections.abc import Callable
from typing import Any

from core import logs, stopping
from core.settings import Settings
from waitress import runner, wasyncore
from waitress.server import create_server

from serve.listener import LAST_HANDSHAKES_SECONDS, LINGER_SECONDS, stop_queueing

STEP_SECONDS = 0.1
settings = Settings.from_env(os.environ, os.environ["SERVICE"])


class Serving:
    def __init__(self, app: Callable[..., Any], **options: Any) -> None:
        self.map: dict[int, Any] = {}
        self.server = create_server(app, map=self.map, **options)

    def run(self) -> None:
        signal.signal(signal.SIGTERM, lambda *_: self.server.pull_trigger())
        stopping.watch()  # the application was loaded before there was a handler to stand before
        while not stopping.stopping():
            self.step()
        self.finish()

    def step(self) -> None:
        wasyncore.loop(timeout=STEP_SECONDS, map=self.map, use_poll=True, count=1)

    def finish(self) -> None:
        stop_queueing(self.server.socket)
        self.until(LAST_HANDSHAKES_SECONDS)
        wasyncore.dispatcher.close(self.server)
        self.until(LINGER_SECONDS)
        self.until(settings.graceful_timeout, self.busy)

    def until(self, seconds: float, condition: Callable[[], bool] = lambda: True) -> None:
        end = time.monotonic() + seconds
        while condition() and time.monotonic() < end:
            self.step()

    def busy(self) -> bool:
        channels = list(self.server.active_channels.values())
        return any(each.request or each.requests or each.total_outbufs_len for each in channels)


def serve(app: Callable[..., Any], **options: Any) -> None:
    Serving(app, **options).run()


if __name__ == "__main__":
    logs.configure(settings.service, settings.replica, settings.log_level)
    sys.exit(runner.run(sys.argv, _serve=serve))
