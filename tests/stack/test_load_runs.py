"""The experiments against a real stack: they end with a report, and say when not to believe it."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.contract import ROOT
from tests.engine import Stack
from tests.waiting import until

SECONDS = 120
HOG = "while True: pass"


@pytest.fixture(autouse=True)
def ours_alone(stack: Stack) -> None:
    if not stack.ours:
        pytest.skip("it loads the stack, so it stays away from one named by PONTE_URL")


def measured(stack: Stack, folder: Path, *words: str) -> tuple[subprocess.CompletedProcess[str], dict[str, Any]]:
    done = stack.ponte(*words, seconds=SECONDS, PONTE_REPORTS=str(folder))
    (run,) = (json.loads(path.read_text()) for path in folder.glob("*/run.json"))
    return done, run


@dataclass
class Carried:
    """A run at a rate that is no trouble, and where the stack's processes might run before and after."""

    done: subprocess.CompletedProcess[str]
    run: dict[str, Any]
    folder: Path
    places: tuple[dict[str, Any], dict[str, Any]]


@pytest.fixture(scope="module")
def carried(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Carried:
    folder, before = tmp_path_factory.mktemp("reports"), placed(stack)
    done, run = measured(stack, folder, "load", "SERVICE=fastapi", "RATE=40", "TIME=5s", "QUICK=1")
    return Carried(done, run, folder, (before, placed(stack)))


def test_a_rate_that_is_carried_ends_with_a_report_and_its_verdict(carried: Carried):
    done, run, files = carried.done, carried.run, carried.folder.glob("*-load/*")

    assert done.returncode == 0, done.stderr
    assert f"measurement: {run['verdict']['word']}" in done.stdout
    assert (run["points"][0]["errors"], run["points"][0]["service"]) == (0, "fastapi")
    assert run["points"][0]["cost"].keys() >= {"edge", "app", "database", "generator"}
    assert {path.name for path in files} >= {"index.html", "samples.npz", "latency-fastapi.hgrm"}


@pytest.fixture
def hogs() -> Iterator[None]:
    """Neighbours on the CPU that the generator is given."""
    last = {max(os.sched_getaffinity(0))}
    # Each in a session of its own: the scheduler shares a CPU out between sessions first.
    found = [subprocess.Popen([sys.executable, "-c", HOG], start_new_session=True) for _ in range(6)]
    for each in found:
        os.sched_setaffinity(each.pid, last)
    yield
    for each in found:
        each.kill()
        each.wait()


@pytest.mark.full
@pytest.mark.timeout(SECONDS)
@pytest.mark.usefixtures("hogs")
def test_a_starved_generator_is_called_invalid(stack: Stack, tmp_path: Path):
    done, run = measured(stack, tmp_path, "load", "SERVICE=fastapi", "RATE=700", "TIME=5s", "QUICK=1")

    assert run["verdict"]["word"] == "invalid"
    assert "measurement: invalid: " in done.stdout
    assert any(reason.startswith("the generator had to wait for a CPU") for reason in run["verdict"]["reasons"])


@pytest.mark.full
@pytest.mark.timeout(SECONDS)
def test_an_interrupted_run_keeps_what_it_measured(stack: Stack, tmp_path: Path):
    command = [str(ROOT / "ponte"), "load", "SERVICE=fastapi", "RATE=40", "TIME=1m"]
    environ = {**os.environ, **stack.environ, "PONTE_REPORTS": str(tmp_path)}
    process = subprocess.Popen(
        command, cwd=ROOT, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    until(lambda: any("All users spawned" in path.read_text() for path in tmp_path.glob("*/fastapi-1.log")), SECONDS)
    time.sleep(4)  # of load: the condition is time itself
    process.send_signal(signal.SIGINT)
    told, _ = process.communicate(timeout=60)
    (run,) = (json.loads(path.read_text()) for path in tmp_path.glob("*/run.json"))

    assert (process.returncode, run["interrupted"]) == (130, True)
    assert "it was interrupted" in told
    assert run["points"][0]["requests"] > 20


def test_the_stack_is_left_where_it_was(carried: Carried):
    before, after = carried.places

    assert after == before


def placed(stack: Stack) -> dict[str, Any]:
    """Replica -> the CPUs it may use."""
    if stack.engine != "native":
        ask = ["docker", "inspect", "--format", "{{.HostConfig.CpusetCpus}}"]
        cpus = {
            row["replica"]: subprocess.run([*ask, row["id"]], capture_output=True, text=True).stdout
            for row in stack.ps()
        }
        every = ",".join(map(str, range(os.cpu_count() or 1)))
        return {name: found.strip() or every for name, found in cpus.items()}
    return {row["replica"]: os.sched_getaffinity(int(row["id"])) for row in stack.ps()}


@pytest.mark.full
@pytest.mark.timeout(SECONDS)
def test_an_address_of_ones_own_is_asked_as_it_is(stack: Stack, tmp_path: Path):
    address = f"{stack.url}/fastapi/query?n=3"
    done, run = measured(stack, tmp_path, "load", f"HOST={address}", "RATE=30", "TIME=4s", "QUICK=1")

    assert done.returncode == 0, done.stderr
    assert (run["points"][0]["key"], run["points"][0]["errors"], run["points"][0]["cost"]) == ("host/30/s", 0, {})
    assert address in run["conclusion"]


def test_a_host_that_is_down_is_said_in_a_sentence_and_leaves_no_report(stack: Stack, tmp_path: Path):
    done = stack.ponte("load", "HOST=http://127.0.0.1:9", PONTE_REPORTS=str(tmp_path))

    assert done.returncode == 3
    assert "ponte: http://127.0.0.1:9 does not answer (Connection refused)" in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.full
@pytest.mark.timeout(SECONDS)
def test_websockets_are_measured_through_a_restart(stack: Stack, tmp_path: Path):
    done, run = measured(stack, tmp_path, "websockets", "QUICK=1")

    assert done.returncode == 0, done.stderr
    assert (
        run["figures"]["hold"]["lost"],
        run["figures"]["restart"]["missed"],
        run["figures"]["restart"]["duplicated"],
    ) == (0, 0, 0)
    assert run["figures"]["fan-out"]["total"]["reach"] == 1.0
