"""The edge's own stopwatch: nginx's `$request_time` for each request id, a second opinion on the client's times.

(!) nginx reads its clock once per turn of its event loop and logs whole milliseconds.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from loadtests.measure.samples import Samples

LINE = re.compile(r'"request_id":"([0-9a-f]{32})".*?"request_time":([0-9.]+).*?"upstream_response_time":"([0-9.]*)')
RESOLUTION_SECONDS = 0.001


@dataclass(frozen=True)
class EdgeTimes:
    """Aligned arrays, for those requests that both clocks saw (seconds)."""

    client: np.ndarray
    edge: np.ndarray
    upstream: np.ndarray

    @property
    def gap(self) -> np.ndarray:
        """What the client waited beyond the edge's time: its own queue, the network, and rounding."""
        return self.client - self.edge


def parse(lines: Iterable[str]) -> dict[bytes, tuple[float, float]]:
    """Request id -> (request time, upstream response time; NaN when no upstream was asked)."""
    found = (LINE.search(line) for line in lines)
    return {bytes.fromhex(each[1]): (float(each[2]), float(each[3] or "nan")) for each in found if each}


def aligned(samples: Samples, logged: Mapping[bytes, tuple[float, float]]) -> EdgeTimes:
    rows = [(index, *logged[number]) for index, number in enumerate(map(bytes, samples.ids)) if number in logged]
    index, edge, upstream = zip(*rows, strict=True) if rows else ((), (), ())
    return EdgeTimes(samples.service_time[list(index)] if index else np.zeros(0), np.array(edge), np.array(upstream))
