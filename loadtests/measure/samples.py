"""Raw samples: one row per request, kept as arrays, never rounded or binned.

Columns (times in seconds of CLOCK_MONOTONIC, which all processes of one machine share):
    intended    when the request was due          sent        when it was handed to the network
    done        when its answer was complete      status      HTTP status, or one of UNANSWERED, DROPPED, UNFINISHED
    name        index into `names`                served_by   index into `replicas` (X-Served-By)
    stage       index of the stage it was due in  in_flight   requests under way when it arrived
    first       1 for an arrival, 0 for a later request of the same task
    request_id  16 bytes, the edge's X-Request-ID
"""

from array import array
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

UNANSWERED, DROPPED, UNFINISHED = 0, -1, -2  # no answer came; never sent; still under way at the end
LATE_SECONDS = 0.005  # a send lag that people would see in a chart of milliseconds
COLUMNS = {"intended": "d", "sent": "d", "done": "d", "status": "h", "name": "H", "served_by": "H", "stage": "B",
           "in_flight": "I", "first": "B"}  # fmt: skip
NO_ID = bytes(16)


class Recorder:
    """Where a load generator's process appends; `take` empties it."""

    def __init__(self) -> None:
        self.names: dict[str, int] = {}
        self.replicas: dict[str, int] = {"": 0}
        self.clear()

    def clear(self) -> None:
        self.columns = {name: array(kind) for name, kind in COLUMNS.items()}
        self.ids = bytearray()
        self._appends: tuple[Callable[[Any], None], ...] = tuple(column.append for column in self.columns.values())

    def add(self, intended: float, sent: float, done: float, status: int, name: str, served_by: str = "",
            stage: int = 0, in_flight: int = 0, first: int = 1, request_id: bytes = NO_ID) -> None:  # fmt: skip
        names, replicas = self.names, self.replicas
        number = names.get(name)
        if number is None:
            number = names[name] = len(names)
        replica = replicas.get(served_by)
        if replica is None:
            replica = replicas[served_by] = len(replicas)
        row: tuple[float, ...] = (intended, sent, done, status, number, replica, stage, in_flight, first)
        for append, value in zip(self._appends, row, strict=True):
            append(value)
        self.ids += request_id

    def take(self) -> "Samples":
        columns = {name: np.frombuffer(data.tobytes(), data.typecode) for name, data in self.columns.items()}
        ids = np.frombuffer(bytes(self.ids), "V16")
        self.clear()
        return Samples(columns, ids, tuple(self.names), tuple(self.replicas))


@dataclass(frozen=True, eq=False)
class Samples:
    columns: Mapping[str, np.ndarray]
    ids: np.ndarray
    names: Sequence[str] = ()
    replicas: Sequence[str] = ("",)
    notes: tuple[str, ...] = field(default=())

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, mask: np.ndarray) -> "Samples":
        return replace(self, columns={name: each[mask] for name, each in self.columns.items()}, ids=self.ids[mask])

    def __getattr__(self, name: str) -> np.ndarray:
        try:
            return self.__dict__["columns"][name]
        except KeyError:
            raise AttributeError(name) from None

    @property
    def latency(self) -> np.ndarray:
        """From the moment a request was due: what a user waits."""
        return self.done - self.intended

    @property
    def service_time(self) -> np.ndarray:
        """From the moment it was sent: what the stack takes."""
        return self.done - self.sent

    @property
    def send_lag(self) -> np.ndarray:
        return self.sent - self.intended

    @property
    def was_sent(self) -> np.ndarray:
        return self.status != DROPPED

    @property
    def answered(self) -> np.ndarray:
        return self.status > 0

    @property
    def succeeded(self) -> np.ndarray:
        return (self.status > 0) & (self.status < 400)

    def between(self, begin: float, end: float) -> "Samples":
        """Those that were due in a window."""
        return self[(self.intended >= begin) & (self.intended < end)]

    def of(self, name: str) -> "Samples":
        return self[self.name == (self.names.index(name) if name in self.names else -1)]

    def save(self, path: Path) -> None:
        np.savez_compressed(path, allow_pickle=False, ids=self.ids, names=np.array(self.names, dtype=str),
                            replicas=np.array(self.replicas, dtype=str), **self.columns)  # fmt: skip


def load(path: Path) -> Samples:
    with np.load(path, allow_pickle=False) as stored:
        columns = {name: stored[name] for name in COLUMNS}
        return Samples(columns, stored["ids"], tuple(stored["names"].tolist()), tuple(stored["replicas"].tolist()))


def merged(parts: Sequence[Samples]) -> Samples:
    """One set of samples from several processes or runs, in the order they were due."""
    names, replicas = _union(part.names for part in parts), _union(part.replicas for part in parts)
    moved = [_renumbered(part, names, replicas) for part in parts]
    columns = {name: np.concatenate([each[name] for each in moved]) for name in COLUMNS} if parts else _nothing()
    ids = np.concatenate([part.ids for part in parts]) if parts else np.zeros(0, "V16")
    order = np.argsort(columns["intended"], kind="stable")
    return Samples({name: each[order] for name, each in columns.items()}, ids[order], names, replicas)


def _nothing() -> dict[str, np.ndarray]:
    return {name: np.zeros(0, kind) for name, kind in COLUMNS.items()}


def _union(lists) -> tuple[str, ...]:
    return tuple(dict.fromkeys(each for one in lists for each in one))


def _renumbered(part: Samples, names: Sequence[str], replicas: Sequence[str]) -> dict[str, np.ndarray]:
    name = np.array([names.index(each) for each in part.names] or [0], "H")
    served = np.array([replicas.index(each) for each in part.replicas] or [0], "H")
    return {**part.columns, "name": name[part.name], "served_by": served[part.served_by]}
