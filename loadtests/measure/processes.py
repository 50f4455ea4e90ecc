"""CPU time and memory of process trees, from /proc: nothing is installed in what is measured.

CPU is a process's own clock (clock_gettime, exact, ended threads included). Sources: proc(5), clock_getcpuclockid(3),
kernel documentation scheduler/sched-stats.
"""

import os
import re
import signal
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from loadtests.errors import Stop

PROC = Path("/proc")
FRESH_SECONDS = 2.0  # how long a tree's list of processes is believed


def parents() -> dict[int, int]:
    """pid -> parent's pid of everything that runs."""
    found = {}
    for folder in PROC.iterdir():
        if folder.name.isdigit():
            stat = text(folder / "stat")
            if stat:
                found[int(folder.name)] = int(stat.rpartition(")")[2].split()[1])
    return found


def tree(roots: Iterable[int]) -> set[int]:
    """The processes and all their descendants."""
    children: dict[int, list[int]] = {}
    for pid, parent in parents().items():
        children.setdefault(parent, []).append(pid)
    found, left = set(), list(roots)
    while left:
        pid = left.pop()
        if pid not in found:
            found.add(pid)
            left += children.get(pid, [])
    return found


def send(number: signal.Signals, pids: Iterable[int]) -> None:
    """Those that have ended meanwhile are passed over."""
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue
        except PermissionError:
            raise Stop("this user may not signal the stack's processes; in containers root may") from None


@dataclass
class Tree:
    """Seconds of CPU that a process and its descendants have used; what ended ones used is kept."""

    roots: tuple[int, ...]
    used: dict[int, float] = field(default_factory=dict)
    pids: set[int] = field(default_factory=set)
    listed: float = 0.0

    def cpu(self) -> float:
        if time.monotonic() - self.listed > FRESH_SECONDS:
            self.pids, self.listed = tree(self.roots), time.monotonic()
        for pid in self.pids:
            self.used[pid] = max(process_cpu(pid), self.used.get(pid, 0.0))
        return sum(self.used.values())

    def memory(self) -> int:
        """Bytes; shared pages are divided among those who share them (PSS)."""
        return sum(pss(pid) for pid in tree(self.roots))

    def waited(self) -> float:
        """Seconds its threads were ready to run and had no CPU."""
        return sum(queued(pid) for pid in self.pids or tree(self.roots))

    def throttled(self) -> float:
        return 0.0


def process_cpu(pid: int) -> float:
    try:
        return time.clock_gettime((~pid << 3) | 2)
    except OSError:
        return 0.0


def queued(pid: int) -> float:
    lines = (text(path) for path in (PROC / str(pid)).glob("task/*/schedstat"))
    return sum(int(line.split()[1]) for line in lines if line) / 1e9


def pss(pid: int) -> int:
    found = re.search(r"^Pss:\s+(\d+) kB", text(PROC / str(pid) / "smaps_rollup"), re.M)
    if found:
        return int(found[1]) * 1024
    resident = text(PROC / str(pid) / "statm").split()
    return int(resident[1]) * os.sysconf("SC_PAGE_SIZE") if resident else 0


def text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
