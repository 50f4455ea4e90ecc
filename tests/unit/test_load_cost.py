"""CPU and memory of what is measured: processes, control groups of both versions, and the meter over them."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from loadtests.measure import cgroup
from loadtests.measure.meter import Meter
from loadtests.measure.processes import Tree, tree
from tests.waiting import until

BUSY = "import subprocess, sys, time\nif sys.argv[1:]: subprocess.Popen([sys.executable, '-c', open(sys.argv[1]).read()])\n" \
       "end = time.process_time() + 0.5\nwhile time.process_time() < end: pass\nprint('done', flush=True)\ntime.sleep(60)"  # fmt: skip


@pytest.fixture
def busy(tmp_path: Path):
    """A process and its child that use half a second of CPU each."""
    (tmp_path / "busy.py").write_text(BUSY)
    process = subprocess.Popen(
        [sys.executable, "-c", BUSY, str(tmp_path / "busy.py")], stdout=subprocess.PIPE, text=True
    )
    yield process
    for pid in tree([process.pid]):
        subprocess.run(["kill", str(pid)], check=False)
    process.wait()


def test_the_cpu_time_of_a_process_and_its_children_is_counted(busy: subprocess.Popen):
    assert busy.stdout
    source = Tree((busy.pid,))
    assert [busy.stdout.readline() for _ in range(2)] == ["done\n"] * 2

    assert 0.9 < source.cpu() < 1.6


def test_what_a_process_used_is_kept_when_it_is_gone(busy: subprocess.Popen):
    assert busy.stdout
    source = Tree((busy.pid,))
    assert [busy.stdout.readline() for _ in range(2)] == ["done\n"] * 2
    before = source.cpu()
    for pid in tree([busy.pid]):
        subprocess.run(["kill", str(pid)], check=True)
    busy.wait()

    assert source.cpu() >= before


def test_memory_is_that_of_all_processes(busy: subprocess.Popen):
    until(lambda: len(tree([busy.pid])) == 2)

    assert 4 * 2**20 < Tree((busy.pid,)).memory() < 200 * 2**20


class Fake:
    """A source whose cumulated CPU time is what the clock says, times a share."""

    def __init__(self, share: float):
        self.share, self.start = share, time.monotonic()

    def cpu(self) -> float:
        return self.share * (time.monotonic() - self.start)

    def memory(self) -> int:
        return 7

    def waited(self) -> float:
        return 0.1 * (time.monotonic() - self.start)

    def throttled(self) -> float:
        return 0.0


def test_usage_of_a_window_is_that_windows_share():
    with Meter({"app": [Fake(0.5), Fake(0.25)], "generator": [Fake(0.1)]}) as meter:
        until(lambda: len(meter.rows) >= 4)
    begin, end = meter.rows[1]["at"], meter.rows[3]["at"]
    usage = meter.usage(begin, end)

    assert usage.cpu["app"] == pytest.approx(0.75 * (end - begin), rel=0.05)
    assert usage.waited == pytest.approx(0.1 * (end - begin), rel=0.05)
    assert usage.memory == {"app": 14, "generator": 7}


def test_a_container_of_control_groups_version_1_is_read(tmp_path: Path):
    write(tmp_path / "proc/7/cgroup", "5:memory:/docker/x\n3:cpuacct:/docker/x\n2:cpu:/docker/x\n0::/\n")
    write(tmp_path / "fs/cpuacct/docker/x/cpuacct.usage", "2500000000\n")
    write(tmp_path / "fs/memory/docker/x/memory.stat", "cache 999\ntotal_rss 4096\n")
    write(tmp_path / "fs/cpu/docker/x/cpu.stat", "nr_periods 3\nnr_throttled 1\nthrottled_time 1500000000\n")
    group = cgroup.of(7, tmp_path / "fs", tmp_path / "proc")

    assert group
    assert (group.cpu(), group.memory(), group.throttled()) == (2.5, 4096, 1.5)


def test_controllers_that_share_a_folder_are_found(tmp_path: Path):
    write(tmp_path / "proc/7/cgroup", "4:cpu,cpuacct:/docker/x\n3:memory:/docker/x\n")
    write(tmp_path / "fs/cpu,cpuacct/docker/x/cpuacct.usage", "1000000000\n")
    write(tmp_path / "fs/memory/docker/x/memory.stat", "total_rss 1\n")

    assert (group := cgroup.of(7, tmp_path / "fs", tmp_path / "proc"))
    assert group.cpu() == 1.0


def test_a_container_of_control_groups_version_2_is_read(tmp_path: Path):
    write(tmp_path / "proc/7/cgroup", "0::/system.slice/docker-x.scope\n")
    folder = tmp_path / "fs/system.slice/docker-x.scope"
    write(folder / "cpu.stat", "usage_usec 2500000\nnr_throttled 4\nthrottled_usec 500000\n")
    write(folder / "memory.stat", "anon 4096\nfile 99999\nkernel 100\n")
    group = cgroup.of(7, tmp_path / "fs", tmp_path / "proc")

    assert group
    assert (group.cpu(), group.memory(), group.throttled()) == (2.5, 4196, 0.5)


def test_a_container_that_cannot_be_seen_has_no_cost(tmp_path: Path):
    assert cgroup.of(7, tmp_path / "fs", tmp_path / "proc") is None


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
