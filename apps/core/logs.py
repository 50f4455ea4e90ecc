"""Logs: one JSON object a line on stderr, each with the id of the request being served."""

import json
import logging
import os
import sys
import time
from contextvars import ContextVar
from typing import Any

request_id: ContextVar[str] = ContextVar("request_id", default="")
access = logging.getLogger("ponte.access")


class JsonLines(logging.Formatter):
    def __init__(self, service: str, replica: str) -> None:
        super().__init__()
        self.origin = {"service": service, "replica": replica}

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {"time": utc(record.created), "level": record.levelname.lower(), **self.origin}
        line |= {"pid": record.process, "logger": record.name, "message": record.getMessage()}
        line["request_id"] = request_id.get()
        line |= getattr(record, "fields", {})
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


def of_this_process() -> JsonLines:
    """For servers that read a logging configuration from a file."""
    return JsonLines(os.environ.get("SERVICE", ""), os.environ.get("REPLICA", ""))


def utc(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{int(seconds % 1 * 1000):03d}Z"


def configure(service: str, replica: str, level: str) -> None:
    """Sends every logger of the process, the server's included, through one handler."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines(service, replica))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    logging.captureWarnings(True)
    for name in ("gunicorn.error", "uvicorn", "uvicorn.error"):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [], True
