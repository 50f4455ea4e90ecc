"""Gunicorn's own log lines, from the master too, as JSON."""

import os

from core import logs
from gunicorn.config import Config
from gunicorn.glogging import Logger


class JsonLogger(Logger):
    def setup(self, cfg: Config) -> None:
        super().setup(cfg)
        logs.configure(os.environ["SERVICE"], os.environ["REPLICA"], cfg.loglevel)
