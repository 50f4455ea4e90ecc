"""`make lost-requests` on a stack of its own: zeros, and nothing of it stays behind."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract import ROOT
from tests.engine import Stack
from tests.processes import everybody
from tests.waiting import until

SECONDS = 300  # of which containers need most to be built
pytestmark = [pytest.mark.full, pytest.mark.own_stack, pytest.mark.timeout(SECONDS)]
DOCUMENT = ROOT / "docs" / "lost-requests.md"


def labs() -> set[str]:
    return {path.name for path in (ROOT / ".run").glob("lab-*")}


def at_work(names: set[str]) -> list[str]:
    """Command lines of processes that belong to them."""
    lines = []
    for pid in everybody():
        try:
            line = Path("/proc", str(pid), "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        lines += [line] if any(name in line for name in names) else []
    return lines


@pytest.fixture(autouse=True)
def nothing_stays() -> Iterator[None]:
    before = labs()
    yield
    assert labs() == before


def test_the_column_of_defaults_is_zeros(stack: Stack, tmp_path: Path):
    before = DOCUMENT.read_bytes() if DOCUMENT.exists() else b""
    done = stack.ponte("lost-requests", "N=1", "QUICK=1", seconds=SECONDS, PONTE_REPORTS=str(tmp_path))
    (run,) = (json.loads(path.read_text()) for path in tmp_path.glob("*/run.json"))

    assert done.returncode == 0, run["conclusion"] + "\n" + done.stderr
    assert "Nothing is lost by gunicorn and uvicorn: 0 of " in done.stdout
    assert {each["server"] for each in run["figures"]["operations"]} == {"gunicorn", "uvicorn"}
    assert (DOCUMENT.read_bytes() if DOCUMENT.exists() else b"") == before, "a quick run is none for the documents"


def test_one_that_is_interrupted_takes_its_stack_away(stack: Stack, tmp_path: Path):
    environ = {**os.environ, **stack.environ, "PONTE_REPORTS": str(tmp_path)}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    process = subprocess.Popen([str(ROOT / "ponte"), "lost-requests", "N=1", "QUICK=1"], cwd=ROOT, env=environ, **pipes)  # type: ignore[call-overload]
    own = {f"lab-{process.pid}"}
    until(lambda: any(tmp_path.glob("*/*/requests.jsonl")), SECONDS)
    assert at_work(own) or stack.engine != "native"
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=120)

    assert process.returncode == 130, err
    assert not at_work(own)
