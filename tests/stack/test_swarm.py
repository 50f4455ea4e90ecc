"""The whole stack on a real Swarm of one node: the contract, scaling, releases and rollbacks under load, as on the other engines.

It starts with `docker swarm init` where this machine is in no Swarm, and leaves it afterwards.
"""

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.contract import ROOT
from tests.engine import unavailable

SECONDS = 1500
LAST_CHARACTERS = 6000
# What asks another engine, measures, or starts more stacks than this machine carries beside it.
ELSEWHERE = (
    "test_backup.py",
    "test_load_runs.py",
    "test_lost_requests.py",
    "test_production.py",
    "test_replacements.py",
)


@pytest.fixture(scope="module")
def swarm() -> Iterator[None]:
    if reason := unavailable("compose"):
        pytest.skip(f"swarm: {reason}")
    ours = bool(unavailable("swarm"))
    if ours:
        subprocess.run(["docker", "swarm", "init", "--advertise-addr", "127.0.0.1"], check=True, capture_output=True)
    yield
    if ours:
        subprocess.run(["docker", "swarm", "leave", "--force"], check=True, capture_output=True)


@pytest.mark.full
@pytest.mark.timeout(SECONDS)
def test_the_stack_keeps_the_contract_and_loses_nothing_on_a_swarm(request: pytest.FixtureRequest, swarm: None):
    if request.config.getoption("--engine") == "compose":
        pytest.skip("needs the machine for itself: with the native engine")
    left_out = [f"--ignore=tests/stack/{name}" for name in (*ELSEWHERE, "test_swarm.py")]
    command = [sys.executable, "-m", "pytest", "-q", "--tb=short", "tests/stack", "--engine", "swarm", *left_out]
    done = subprocess.run(command, cwd=ROOT, env={**os.environ, "TIER": "quick"}, capture_output=True, text=True)

    assert done.returncode == 0, done.stdout[-LAST_CHARACTERS:] + done.stderr[-LAST_CHARACTERS:]
