"""./ponte, the Makefile and .env.example say the same as the tables of deploy/."""

import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.settings import ROOT
from deploy.targets import TARGETS
from deploy.variables import VARIABLES

PONTE = ROOT / "ponte"


@pytest.fixture
def ponte(tmp_path: Path) -> dict:
    """The script's functions, working in a folder of their own."""
    functions = runpy.run_path(str(PONTE))
    scope = functions["main"].__globals__
    scope.update(ROOT=str(tmp_path), RUN=str(tmp_path / ".run"), VENV=str(tmp_path / ".run/venv"))
    scope.update(PYTHON=str(tmp_path / ".run/venv/bin/python"))
    for name in ("deploy", "apps"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "requirements.txt").write_text(f"{name}==1\n")
    return scope


def test_the_makefile_calls_every_target_and_no_other():
    text = (ROOT / "Makefile").read_text()
    called = re.findall(r"^([a-z-]+): ## .*\n\t@\./ponte \$@ \$\(MAKEOVERRIDES\)$", text, re.M)

    assert sorted(called) == sorted(TARGETS)


def test_make_prints_help():
    shown = subprocess.run(["make", "-s"], cwd=ROOT, capture_output=True, text=True)

    assert shown.returncode == 0
    assert all(re.search(rf"^  {name} +[A-Z]", shown.stdout, re.M) for name in TARGETS)


def test_the_example_names_every_variable_with_its_default():
    shown = dict(re.findall(r"^#([A-Z0-9_]+)=(.*)$", (ROOT / ".env.example").read_text(), re.M))

    assert shown == {name: each.default for name, each in VARIABLES.items()}


def test_the_example_sets_nothing():
    lines = (ROOT / ".env.example").read_text().splitlines()

    assert [line for line in lines if line and not line.startswith("#")] == []


def test_the_example_explains_each_block():
    blocks = (ROOT / ".env.example").read_text().split("\n\n")
    variables = [block for block in blocks if re.search(r"^#[A-Z0-9_]+=", block, re.M)]

    assert all(re.search(r"^# \w", block, re.M) for block in variables)


def test_a_target_gets_what_it_needs_and_no_more(ponte: dict):
    assert ponte["needed"](["ps", "FORMAT=json"]) == ("deploy",)
    assert ponte["needed"](["HTTP_PORT=1", "load"]) == ("deploy", "loadtests")


def test_a_set_is_missing_until_its_stamp_is_the_hash_of_its_lock(ponte: dict, tmp_path: Path):
    python = tmp_path / ".run/venv/bin/python"
    python.parent.mkdir(parents=True)
    python.symlink_to(sys.executable)
    before = ponte["missing"](["deploy", "apps"])
    ponte["write"](ponte["stamp"]("python"), os.path.realpath(python))
    ponte["write"](ponte["stamp"]("deploy"), ponte["wanted"]("deploy"))
    installed = ponte["missing"](["deploy", "apps"])
    (tmp_path / "deploy/requirements.txt").write_text("deploy==2\n")

    assert (before, installed) == (["deploy", "apps"], ["apps"])
    assert ponte["missing"](["deploy"]) == ["deploy"]


def test_an_install_that_was_cut_short_is_done_again(ponte: dict, tmp_path: Path):
    packages = tmp_path / ".run/venv/lib/python3/site-packages"
    for name, files in {"half-1.dist-info": ["METADATA"], "whole-1.dist-info": ["METADATA", "RECORD"]}.items():
        (packages / name).mkdir(parents=True)
        for file in files:
            (packages / name / file).touch()

    ponte["forget_half_installed"]()

    assert [path.name for path in packages.iterdir()] == ["whole-1.dist-info"]


@pytest.mark.parametrize(("engine", "refused"), [("native", True), ("compose", False)])
def test_the_packages_of_a_running_stack_are_not_changed_under_it(
    ponte: dict, tmp_path: Path, engine: str, refused: bool
):
    (tmp_path / ".run/venv").mkdir(parents=True)
    ponte["write"](ponte["stamp"]("apps"), "those of another lock file")
    (tmp_path / ".run/tests/native-1").mkdir(parents=True)
    (tmp_path / ".run/tests/native-1/state.json").write_text(f'{{\n  "engine": "{engine}"\n}}')
    said = ""
    try:
        ponte["refuse_swap"](["apps"])
    except ponte["Stop"] as stop:
        said = str(stop)

    assert ("./ponte deploy releases it" in said) is refused
    ponte["refuse_swap"](["deploy", "apps/serve"])  # nobody has imported anything of a set that was not there


@pytest.mark.parametrize(
    ("output", "sentence"),
    [
        ("ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device", "the disk is full"),
        ("SSLError(SSLCertVerificationError(1, '[SSL: CERTIFICATE_VERIFY_FAILED]", "set PIP_CERT"),
        ("Failed to establish a new connection: [Errno 111] Connection refused", "no package index answers"),
        (
            "RuntimeError: The 'apxs' command appears not to be installed or is not executable.",
            "install them: apt install",
        ),
        ("noise\nERROR: something new\n\n", "ERROR: something new"),
        ("", "it said nothing"),
    ],
)
def test_pips_failure_is_told_in_a_sentence(ponte: dict, output: str, sentence: str):
    assert sentence in ponte["reason"](output)


def test_a_folder_that_cannot_be_written_is_a_sentence(ponte: dict, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / ".run").write_text("a file where the folder should be")

    assert ponte["main"](["ps"]) == 3
    assert "cannot be written" in capsys.readouterr().err


def test_an_old_python_is_told_so(ponte: dict, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setattr(sys, "version_info", (3, 9, 2))
    monkeypatch.setenv("PATH", "")

    assert ponte["main"](["ps"]) == 3
    assert capsys.readouterr().err == "ponte: python3 is 3.9; install Python 3.11 or newer and put it on PATH\n"


def test_a_python_without_ensurepip_is_told_the_mend(
    ponte: dict, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setitem(sys.modules, "ensurepip", None)

    assert ponte["main"](["ps"]) == 3
    assert "apt install python3-venv" in capsys.readouterr().err


def test_it_works_from_any_folder(tmp_path: Path):
    shown = subprocess.run([PONTE, "--help"], cwd=tmp_path, capture_output=True, text=True)

    assert (shown.returncode, shown.stderr) == (0, "")
