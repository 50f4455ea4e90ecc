"""The whole stack on a real Swarm of one node: the contract, scaling, releases and rollbacks under load, as on the other engines."""

import os
import subprocess
import sys

import pytest

from tests.contract import ROOT
from tests.nodes import swarm_of_one  # noqa: F401  (a fixture)

SECONDS = 1500
LAST_CHARACTERS = 6000
# What asks another engine, measures, or starts more stacks than this machine carries beside it.
ELSEWHERE = (
    "test_backup.py",
    "test_load_runs.py",
    "test_locust.py",
    "test_lost_requests.py",
    "test_production.py",
    "test_replacements.py",
)


@pytest.mark.full
@pytest.mark.timeout(SECONDS)
def test_the_stack_keeps_the_contract_and_loses_nothing_on_a_swarm(request: pytest.FixtureRequest, swarm_of_one: None):  # noqa: F811
    if request.config.getoption("--engine") == "compose":
        pytest.skip("needs the machine for itself: with the native engine")
    left_out = [f"--ignore=tests/stack/{name}" for name in (*ELSEWHERE, "test_swarm.py")]
    command = [sys.executable, "-m", "pytest", "-q", "--tb=short", "tests/stack", "--engine", "swarm", *left_out]
    done = subprocess.run(command, cwd=ROOT, env={**os.environ, "TIER": "quick"}, capture_output=True, text=True)

    assert done.returncode == 0, done.stdout[-LAST_CHARACTERS:] + done.stderr[-LAST_CHARACTERS:]
