"""CPU time, memory and throttling of a container, from its control group: version 1 and 2.

Sources: kernel documentation admin-guide/cgroup-v1 (cpuacct, memory, cpu) and admin-guide/cgroup-v2.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from loadtests.measure.processes import Tree, text

ROOT = Path("/sys/fs/cgroup")
PROC = Path("/proc")


@dataclass
class Group:
    cpu_folder: Path
    memory_folder: Path
    throttle_folder: Path
    root: int  # first process, for the run-queue wait

    def cpu(self) -> float:
        v2 = field(text(self.cpu_folder / "cpu.stat"), "usage_usec")
        return v2 / 1e6 if v2 is not None else int(text(self.cpu_folder / "cpuacct.usage") or 0) / 1e9

    def memory(self) -> int:
        """Bytes without the page cache, which the kernel takes back when it is needed."""
        stat = text(self.memory_folder / "memory.stat")
        return field(stat, "total_rss") or (field(stat, "anon") or 0) + (field(stat, "kernel") or 0)

    def waited(self) -> float:
        return Tree((self.root,)).waited()

    def throttled(self) -> float:
        """Seconds it was held back by its CPU quota."""
        stat = text(self.throttle_folder / "cpu.stat")
        v2 = field(stat, "throttled_usec")
        return v2 / 1e6 if v2 is not None else (field(stat, "throttled_time") or 0) / 1e9


def of(pid: int, root: Path = ROOT, proc: Path = PROC) -> Group | None:
    """The group of a container's first process; None where it cannot be seen from here."""
    folders = memberships(text(proc / str(pid) / "cgroup"), root)
    cpu = folders.get("cpuacct", folders.get(""))
    memory, throttle = folders.get("memory", folders.get("")), folders.get("cpu", folders.get(""))
    if not (cpu and memory and throttle) or not ((cpu / "cpuacct.usage").exists() or (cpu / "cpu.stat").exists()):
        return None
    return Group(cpu, memory, throttle, pid)


def memberships(listing: str, root: Path) -> dict[str, Path]:
    """Controller -> folder; "" is the unified hierarchy of version 2."""
    found: dict[str, Path] = {}
    for line in listing.splitlines():
        _, controllers, path = line.split(":", 2)
        if not controllers:
            found[""] = first(root / "unified" / path[1:], root / path[1:])
        for name in filter(None, controllers.split(",")):
            found[name] = first(root / controllers / path[1:], root / name / path[1:])
    return found


def first(*paths: Path) -> Path:
    return next((path for path in paths if path.is_dir()), paths[-1])


def field(stat: str, name: str) -> int | None:
    found = re.search(rf"^{name} (\d+)$", stat, re.M)
    return int(found[1]) if found else None
