"""nginx's logs stay short, and nginx is told."""

import subprocess
import sys
from pathlib import Path

import pytest

from deploy.native import rotate


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rotate, "LONGEST", 5)


def test_a_long_log_is_moved_away_and_the_oldest_goes(tmp_path: Path):
    log = tmp_path / "access.log"
    for text in ("first", "second", "third", "fourth"):
        log.write_text(text)
        assert rotate.turn(log)

    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {
        "access.log.1": "fourth",
        "access.log.2": "third",
    }


def test_a_short_log_and_an_absent_one_stay(tmp_path: Path):
    (tmp_path / "a.log").write_text("four")

    assert not rotate.turn(tmp_path / "a.log") and not rotate.turn(tmp_path / "none.log")
    assert [path.name for path in tmp_path.iterdir()] == ["a.log"]


def test_whoever_writes_the_log_is_told_to_open_it_anew(tmp_path: Path):
    waits = "import signal; signal.sigwait({signal.SIGUSR1})"
    blocked = "import signal; signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1}); print(flush=True); " + waits
    with subprocess.Popen([sys.executable, "-c", blocked], stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        (tmp_path / "pid").write_text(str(process.pid))
        rotate.reopen(tmp_path / "pid")

        assert process.wait(10) == 0


@pytest.mark.parametrize("text", ["", "none", str(2**22)])
def test_an_nginx_that_just_stopped_is_no_error(tmp_path: Path, text: str):
    (tmp_path / "pid").write_text(text)

    rotate.reopen(tmp_path / "pid")
