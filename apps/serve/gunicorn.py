"""Gunicorn's configuration file, given as `--config python:serve.gunicorn`: what no flag can say."""

import os

from core import logs
from gunicorn.arbiter import Arbiter
from gunicorn.config import Config
from gunicorn.glogging import Logger
from gunicorn.http.message import Message
from gunicorn.workers.base import Worker

from serve.headers import joined
from serve.listener import stop_queueing


class JsonLogger(Logger):
    """Gunicorn's own lines as JSON, from the master too."""

    def setup(self, cfg: Config) -> None:
        super().setup(cfg)
        logs.configure(os.environ["SERVICE"], os.environ["REPLICA"], cfg.loglevel)


logger_class = JsonLogger


def pre_request(worker: Worker, request: Message) -> None:
    """Joins repeated headers by a comma and a space, as every other server here does; Gunicorn leaves out the space."""
    names = [name for name, _ in request.headers]
    if len(set(names)) < len(names):
        request.headers = joined(request.headers, ", ")


def when_ready(arbiter: Arbiter) -> None:
    """Lets nobody queue any more once all workers are to stop.

    Not in the workers: they share the socket, and one that retires alone must not close it to the others.
    """

    def stop(graceful: bool = True) -> None:
        if not arbiter.reexec_pid:  # after USR2 another master goes on with the same socket
            for listener in arbiter.LISTENERS:
                stop_queueing(listener.sock)
        Arbiter.stop(arbiter, graceful)

    arbiter.stop = stop
