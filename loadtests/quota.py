"""A CPU quota for each worker of a stack, so that scaling can be seen on a machine of few cores.

Every worker gets the same share of a CPU, so that two workers have twice of it, as on a machine with more cores.
(!) A quota holds a process back in slices of a period: short periods keep the slices below the times measured.
"""

import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from loadtests.errors import Stop
from loadtests.measure.processes import tree

PERIOD = 10_000  # microseconds
ROOTS = (Path("/sys/fs/cgroup/cpu"), Path("/sys/fs/cgroup"))
REFUSED = "CPU_QUOTA= needs containers, or root where control groups can be made; leave it out or use ENGINE=compose"


@contextmanager
def held(replicas: Sequence[Mapping], cpus_per_worker: float | None) -> Iterator[None]:
    """Each replica has `workers` times the quota; lifted with the replica's end, or here."""
    if not cpus_per_worker:
        yield
        return
    with ExitStack() as before:
        for each in replicas:
            before.callback(hold(each["id"], cpus_per_worker * (each["workers"] or 1)))
        yield


def hold(number: str, cpus: float):
    return hold_processes(int(number), cpus) if number.isdigit() else hold_container(number, cpus)


def hold_container(number: str, cpus: float):
    quota = str(max(1000, round(cpus * PERIOD)))
    argv = ["docker", "update", "--cpu-period", str(PERIOD), "--cpu-quota", quota, number]
    if subprocess.run(argv, capture_output=True).returncode:
        raise Stop(REFUSED, 3)
    return lambda: subprocess.run(["docker", "update", "--cpu-quota", "-1", number], capture_output=True) and None


def hold_processes(pid: int, cpus: float):
    """A control group of its own for the replica's processes; they go back to the parent's at the end."""
    root = next((each for each in ROOTS if (each / "cgroup.procs").exists()), ROOTS[0])
    group = root / f"ponte-quota-{os.getpid()}-{pid}"
    try:
        group.mkdir()
        limit(group, max(1000, round(cpus * PERIOD)))
        move(tree([pid]), group)
    except OSError:
        with suppress(OSError):
            group.rmdir()
        raise Stop(REFUSED, 3) from None
    return lambda: dissolve(group, root)


def limit(group: Path, quota: int) -> None:
    if (group / "cpu.max").exists():
        (group / "cpu.max").write_text(f"{quota} {PERIOD}")
    else:
        (group / "cpu.cfs_period_us").write_text(str(PERIOD))
        (group / "cpu.cfs_quota_us").write_text(str(quota))


def move(pids: set[int], group: Path) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            (group / "cgroup.procs").write_text(str(pid))


def dissolve(group: Path, root: Path) -> None:
    with suppress(OSError):
        move({int(line) for line in (group / "cgroup.procs").read_text().split()}, root)
        group.rmdir()
