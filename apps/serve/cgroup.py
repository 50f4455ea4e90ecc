"""How much CPU and memory this process may use: control groups v1 and v2, and CPU affinity.

Standard library only. Sources: kernel documentation admin-guide/cgroup-v1 and cgroup-v2.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
# cgroup v1 writes "no limit" as a number of pages just under 2^63.
UNLIMITED_BYTES = 2**60


@dataclass(frozen=True)
class Limits:
    """CPUs (a fraction is possible) and bytes of memory, each with where it was read; None = no limit."""

    cpus: float
    cpu_source: str
    memory: int | None = None
    memory_source: str = ""


def read() -> Limits:
    return limits(ROOT, Path("/proc/self/cgroup"), len(os.sched_getaffinity(0)))


def limits(root: Path, membership: Path, affinity: int) -> Limits:
    """The tightest limit on the way from this process's group to the root."""
    quotas = [(quota, f"cgroup {name}") for folder in folders(root, membership) for quota, name in cpu_quotas(folder)]
    memories = [found for folder in folders(root, membership) for found in memory_limits(folder)]
    cpus, cpu_source = min([*quotas, (float(affinity), "CPU affinity")])
    memory, memory_source = min(memories, default=(None, ""))
    return Limits(cpus, cpu_source, memory, f"cgroup {memory_source}" if memory else "")


def folders(root: Path, membership: Path) -> Iterator[Path]:
    """The group's folder and those above it, in every hierarchy; in a container the root is the group itself."""
    for line in lines(membership):
        _, controllers, path = line.split(":", 2)
        mounts = [root / controllers, *(root / name for name in controllers.split(","))] if controllers else [root]
        for mount in dict.fromkeys(mounts):
            group = mount / path.lstrip("/")
            while group != mount and group != group.parent:
                yield group
                group = group.parent
            yield mount


def cpu_quotas(folder: Path) -> Iterator[tuple[float, str]]:
    quota, *period = text(folder / "cpu.max").split() or ["max"]
    if quota != "max":
        yield int(quota) / int(*period), "v2 cpu.max"
    quota = text(folder / "cpu.cfs_quota_us") or "-1"
    if int(quota) > 0:
        yield int(quota) / int(text(folder / "cpu.cfs_period_us")), "v1 cpu.cfs_quota_us"


def memory_limits(folder: Path) -> Iterator[tuple[int, str]]:
    for name, source in (("memory.max", "v2 memory.max"), ("memory.limit_in_bytes", "v1 memory.limit_in_bytes")):
        limit = text(folder / name)
        if limit.isdigit() and int(limit) < UNLIMITED_BYTES:
            yield int(limit), source


def text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def lines(path: Path) -> list[str]:
    return text(path).splitlines()
