"""Prometheus metrics of a replica, summed over its workers through files in PROMETHEUS_MULTIPROC_DIR."""

import functools
import os
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from core.contract import ROUTES, route

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
LABELS = ("method", "route", "status")

registry = CollectorRegistry()
requests = Counter("http_requests", "Requests answered.", LABELS, registry=registry)
duration = Histogram("http_request_duration_seconds", "Time to answer, in seconds.", LABELS, registry=registry)


@functools.lru_cache(maxsize=len(ROUTES) * 100)
def _children(method: str, path: str, status: str) -> tuple[Any, Any]:
    labels = (method if method in METHODS else "other", route(path) or "other", status)
    return requests.labels(*labels), duration.labels(*labels)


def observe(method: str, path: str, status: str, seconds: float) -> None:
    """Counts one request; unknown methods and paths share one label, so clients cannot add series."""
    counter, histogram = _children(method, path, status)
    counter.inc()
    histogram.observe(seconds)


def page() -> bytes:
    if not os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        return generate_latest(registry)
    collected = CollectorRegistry()
    MultiProcessCollector(collected)
    return generate_latest(collected)
