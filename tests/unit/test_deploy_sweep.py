"""What a killed replica left behind is ended before it starts again, and nobody else."""

from pathlib import Path

import pytest

from deploy.native import sweep

ME = {
    "cwd": "/c/.run/releases/a/apps",
    "environ": {"SUPERVISOR_PROCESS_NAME": "flask-1", "PROMETHEUS_MULTIPROC_DIR": "/c/.run/m"},
}
EDGE = {"cwd": "/c/.run/nginx", "environ": {"SUPERVISOR_PROCESS_NAME": "nginx"}}
TITLE = "nginx: worker process"


def process(proc: Path, pid: int, cwd: str, environ: dict[str, str], cmdline: str = "python\0-m\0serve") -> None:
    (proc / str(pid)).mkdir(parents=True)
    (proc / str(pid) / "cwd").symlink_to(cwd)
    (proc / str(pid) / "cmdline").write_text(cmdline)
    (proc / str(pid) / "environ").write_text("".join(f"{key}={value}\0" for key, value in environ.items()))


@pytest.fixture
def proc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(sweep, "PROC", tmp_path)
    monkeypatch.setattr(sweep.os, "getpid", lambda: 1)
    return tmp_path


def test_a_worker_of_the_same_replica_is_left_over(proc: Path):
    process(proc, 1, **ME)
    process(proc, 2, **ME)

    assert list(sweep.leftovers()) == [2]


@pytest.mark.parametrize(
    "other",
    [
        {"cwd": "/d", "environ": ME["environ"]},
        {"cwd": ME["cwd"], "environ": ME["environ"] | {"SUPERVISOR_PROCESS_NAME": "flask-2"}},
        {"cwd": ME["cwd"], "environ": ME["environ"] | {"PROMETHEUS_MULTIPROC_DIR": "/c/.run/test/m"}},
        {"cwd": ME["cwd"], "environ": {}},
        EDGE | {"cmdline": TITLE},
    ],
    ids=["another folder", "another replica", "another stack of this checkout", "a shell", "nginx"],
)
def test_others_are_left_alone(proc: Path, other: dict):
    process(proc, 1, **ME)
    process(proc, 2, **other)

    assert list(sweep.leftovers()) == []


def test_nginx_workers_are_known_by_their_title_and_folder(proc: Path):
    process(proc, 1, **EDGE)
    process(proc, 2, EDGE["cwd"], {}, TITLE)
    process(proc, 3, "/d/.run/nginx", {}, TITLE)

    assert list(sweep.leftovers()) == [2]


def test_without_proc_there_is_nothing_to_sweep(proc: Path):
    assert list(sweep.leftovers()) == []
