"""What `make new` writes brings up its own stack, and passes its own tests of it."""

import os
import subprocess
from pathlib import Path

import pytest

from deploy.cli import main
from tests.contract import ROOT

MINUTES = 30


@pytest.mark.full
@pytest.mark.timeout(MINUTES * 60)
@pytest.mark.parametrize("words", [("APPS=fastapi", "ENGINES=compose,native"), ("APPS=django,fastapi",)], ids=" ".join)
def test_a_new_project_passes_its_own_tests_against_its_own_stack(
    words: tuple[str, ...], tmp_path: Path, request: pytest.FixtureRequest
):
    if request.config.getoption("--engine") == "compose":
        pytest.skip("asks one engine for both; runs with --engine native")
    folder = tmp_path / "shop"
    assert main(["new", f"DIR={folder}", *words]) == 0
    (folder / ".run").mkdir()
    (folder / ".run" / "venv").symlink_to(ROOT / ".run" / "venv")  # of the same locks; another one would take a minute
    environ = {name: value for name, value in os.environ.items() if name not in ("TIER", "PONTE_NOTES", "PYTHONPATH")}

    done = subprocess.run(["make", "test", "ENGINE=native", "T=tests/stack"], cwd=folder, env=environ,
                          capture_output=True, text=True)  # fmt: skip

    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
