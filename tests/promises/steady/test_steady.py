"""Memory and open files under a load that goes on: see promise.md."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from loadtests.measure.processes import pss, tree
from loadtests.oracle import Judgement, Load
from tests import engine, processes
from tests.engine import UP_SECONDS, Stack

SOAK_SECONDS = float(os.environ.get("SOAK_SECONDS", 180))
pytestmark = [pytest.mark.full, pytest.mark.own_stack, pytest.mark.timeout(2 * SOAK_SECONDS + UP_SECONDS)]
LOOK_SECONDS = 2.0
WARMING_SHARE = 0.25
GROWTH = 1.1
SLACK = {"bytes": 16 * 2**20, "open files": 8}
LEAK = """
_kept = []
@flask.before_request
def _leak():
    _kept.append(bytearray(10240))
"""


@dataclass
class Used:
    """By name of a process of `make ps`: what it and all that it started held, once every LOOK_SECONDS."""

    bytes: dict[str, list[int]] = field(default_factory=dict)
    files: dict[str, list[int]] = field(default_factory=dict)

    def look(self, roots: dict[str, int]) -> None:
        for name, root in roots.items():
            pids = tree([root])
            self.bytes.setdefault(name, []).append(sum(map(pss, pids)))
            self.files.setdefault(name, []).append(sum(map(open_files, pids)))

    def grown(self) -> list[str]:
        """What needs more at the end than after the beginning, a line each."""
        found = []
        for what, everybody in {"bytes": self.bytes, "open files": self.files}.items():
            for name, values in everybody.items():
                before, after = ends(values)
                if after > before * GROWTH + SLACK[what]:
                    found.append(f"{name}: {after:,.0f} {what}, {before:,.0f} before")
        return found


def ends(values: list[int]) -> tuple[float, float]:
    """Medians of the first and the last third, the time of warming up left out."""
    warm = values[int(len(values) * WARMING_SHARE) :]
    third = max(1, len(warm) // 3)
    return median(warm[:third]), median(warm[-third:])


def open_files(pid: int) -> int:
    try:
        return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())
    except OSError:  # it has ended
        return 0


def first(row: dict[str, Any], stack: Stack) -> int:
    return int(row["id"]) if stack.engine == "native" else processes.container_pid(row["id"])


def soaked(stack: Stack, seconds: float, folder: Path) -> tuple[Used, Judgement]:
    used, roots = Used(), {row["replica"]: first(row, stack) for row in stack.ps() if row["id"]}
    with Load(stack.url, stack.tls_url, folder=folder) as load:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            used.look(roots)
            time.sleep(LOOK_SECONDS)
    return used, load.verdict(None)


@pytest.fixture
def ours(stack: Stack) -> Stack:
    if not stack.ours:
        pytest.skip("the processes of the stack at PONTE_URL may be elsewhere")
    return stack


def test_nothing_grows_and_nothing_is_lost(ours: Stack, tmp_path: Path) -> None:
    used, verdict = soaked(ours, SOAK_SECONDS, tmp_path)

    assert not used.grown()
    assert verdict.clean, verdict.sentence()


def test_a_replica_that_keeps_some_of_every_request_is_seen(ours: Stack, tmp_path: Path) -> None:
    with leaking(ours) as stack:
        used, _ = soaked(stack, SOAK_SECONDS / 2, tmp_path)

    grown = used.grown()
    assert grown and all(line.startswith("flask") and "bytes" in line for line in grown)


@contextmanager
def leaking(stack: Stack) -> Iterator[Stack]:
    other = engine.elsewhere(stack, FLASK_REPLICAS="1", WEB_CONCURRENCY="1")
    try:
        engine.check_out(other)
        with (other.root / "apps" / "flask" / "app.py").open("a") as file:
            file.write(LEAK)
        answer = other.ponte("up", seconds=UP_SECONDS)
        assert answer.returncode == 0, answer.stderr
        yield other
    finally:
        engine.remove(other)
