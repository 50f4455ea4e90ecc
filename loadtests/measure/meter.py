"""What a run costs: CPU seconds, memory and waiting of each role, read four times a second while it runs.

Roles: edge, app, database, others, generator. Cumulated values are kept, so any window can be asked for afterwards.
"""

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from loadtests.measure.processes import Tree, text

TICK_SECONDS = 0.25
PRESSURE = Path("/proc/pressure/cpu")
STAT = Path("/proc/stat")


class Source(Protocol):
    def cpu(self) -> float: ...

    def memory(self) -> int: ...

    def waited(self) -> float: ...

    def throttled(self) -> float: ...


@dataclass(frozen=True)
class Usage:
    """Over one window of `seconds`."""

    seconds: float
    cpu: Mapping[str, float]  # role -> CPU seconds
    memory: Mapping[str, int]  # role -> bytes at the end of the run
    throttled: Mapping[str, float]  # role -> seconds held back by a quota
    waited: float  # seconds the generator was ready to run and had no CPU
    steal: float  # share of all CPU time that the hypervisor took
    pressure: float | None  # share of time in which something waited for a CPU; None where the kernel does not tell


class Meter:
    """`with Meter(roles) as meter: run(); meter.usage(begin, end)`"""

    def __init__(self, roles: Mapping[str, Sequence[Source]]):
        self.roles = {name: list(sources) for name, sources in roles.items()}
        self.rows: list[dict[str, float]] = []
        self.memory: dict[str, int] = {}
        self.stopped = threading.Event()

    def __enter__(self) -> "Meter":
        self.tick()
        self.thread = threading.Thread(target=self.watch, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.stopped.set()
        self.thread.join()
        self.tick()
        self.memory |= self.weigh()

    def generator(self, pid: int) -> None:
        """The load generator, which starts after the stack."""
        self.roles["generator"] = [Tree((pid,))]

    def watch(self) -> None:
        while not self.stopped.wait(TICK_SECONDS):
            self.tick()

    def weigh(self) -> dict[str, int]:
        return {name: sum(each.memory() for each in sources) for name, sources in self.roles.items()}

    def tick(self) -> None:
        row = {"at": time.monotonic(), **host()}
        for name, sources in list(self.roles.items()):
            row[f"cpu {name}"] = sum(each.cpu() for each in sources)
            row[f"throttled {name}"] = sum(each.throttled() for each in sources)
        row["waited"] = sum(each.waited() for each in self.roles.get("generator", ()))
        self.rows.append(row)

    def usage(self, begin: float, end: float) -> Usage:
        """Interpolated between ticks; a window must be a few ticks long to mean something."""
        grown = {name: self.grown(name, begin, end) for name in self.rows[-1] if name != "at"}
        total = grown["jiffies"] or 1.0
        return Usage(
            seconds=end - begin,
            cpu={name: grown[f"cpu {name}"] for name in self.roles},
            memory=dict(self.memory),
            throttled={name: grown[f"throttled {name}"] for name in self.roles},
            waited=grown["waited"],
            steal=grown["steal"] / total,
            pressure=grown["pressure"] / (end - begin) if "pressure" in grown else None,
        )

    def grown(self, name: str, begin: float, end: float) -> float:
        rows = [row for row in self.rows if name in row]
        times, values = [row["at"] for row in rows], [row[name] for row in rows]
        first, last = np.interp([begin, end], times, values)
        return float(last - first)


def host() -> dict[str, float]:
    """Cumulated: jiffies in all, jiffies stolen, seconds under CPU pressure."""
    fields = [int(word) for word in text(STAT).partition("\n")[0].split()[1:]]
    found = {"jiffies": float(sum(fields[:8])), "steal": float(fields[7]) if len(fields) > 7 else 0.0}
    some = text(PRESSURE).partition("total=")[2].split()
    return found | ({"pressure": int(some[0]) / 1e6} if some else {})
