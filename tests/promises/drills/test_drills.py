"""Every drill on a real stack: see promise.md."""

import re
import signal
from pathlib import Path
from typing import Any

import pytest

from loadtests.drills.table import DRILLS, SERVICES
from tests.engine import Stack
from tests.processes import container_pid
from tests.waiting import until

pytestmark = [pytest.mark.full, pytest.mark.own_stack, pytest.mark.timeout(300)]
DRILL_SECONDS = 240
# Requests/s that two cores carry while replicas start: in containers less (docs/drills.md).
RATE = {"native": 200, "compose": 100}


@pytest.fixture
def ours(stack: Stack) -> Stack:
    if not stack.ours:
        pytest.skip("would break the stack at PONTE_URL, which this run did not start")
    return stack


@pytest.mark.parametrize("name", DRILLS)
def test_what_was_promised_for_the_case_is_kept(ours: Stack, name: str):
    if ours.engine not in DRILLS[name].engines:
        pytest.skip(f"{name} needs ENGINE={' or '.join(DRILLS[name].engines)}")
    answer = ours.ponte("drill", f"DRILL={name}", f"RATE={RATE[ours.engine]}", seconds=DRILL_SECONDS)

    if "needs a disk of its own" in answer.stderr:
        pytest.skip(answer.stderr.strip())
    assert answer.returncode == 0, answer.stdout + answer.stderr[-4000:]
    assert answer.stdout.splitlines()[-1] == "kept"
    assert all(row["ready"] for row in ours.ps())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_drill_that_is_interrupted_leaves_nothing_broken(ours: Stack, number: signal.Signals):
    pids = [first(row, ours.engine) for service in SERVICES for row in ours.replicas(service)]
    drill = ours.begin("drill", "DRILL=hang-replica")
    until(lambda: any(map(stopped, pids)), 60)
    drill.send_signal(number)
    _, err = drill.communicate(timeout=DRILL_SECONDS)

    assert drill.returncode == 130
    assert re.findall("^ponte: .*$", err, re.MULTILINE) == ["ponte: interrupted"]
    assert not any(map(stopped, pids))
    assert all(row["ready"] for row in ours.ps())


def first(row: dict[str, Any], engine: str) -> int:
    return int(row["id"]) if engine == "native" else container_pid(row["id"])


def stopped(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"
