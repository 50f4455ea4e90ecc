"""What a native stack shows of its secrets: see promise.md."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.contract import NAMES, ROOT
from tests.engine import Stack
from tests.processes import family, parent
from tests.promises.no_secrets.looking import answers, leaks, processes, readable_files, values
from tests.waiting import until

PRIVATE = ("secrets/database_password", "secrets/database_url", "secrets/secret_key", "credentials/key.pem")


@pytest.fixture(scope="module")
def run(stack: Stack) -> Path:
    if stack.engine != "native":
        pytest.skip("test_in_containers.py looks at containers")
    return ROOT / stack.environ.get("PONTE_RUN", ".run")


@pytest.fixture(scope="module")
def secrets(run: Path) -> dict[str, str]:
    url, key, certificate = (run / name for name in PRIVATE[1:])
    return values(url.read_text(), key.read_text(), certificate.read_text())


@pytest.fixture(scope="module")
def pids(stack: Stack, run: Path) -> set[int]:
    return family(parent(int(stack.replicas("flask")[0]["id"])))


def test_no_process_shows_a_secret(pids: set[int], secrets: dict[str, str]) -> None:
    assert leaks(processes(pids), secrets) == []


def test_no_file_that_others_may_read_holds_a_secret(run: Path, secrets: dict[str, str]) -> None:
    assert leaks(readable_files(run), secrets) == []


@pytest.mark.parametrize("name", PRIVATE)
def test_the_files_of_secrets_are_private(run: Path, name: str) -> None:
    assert (run / name).stat().st_mode & 0o077 == 0


def test_the_front_door_shows_no_secret(stack: Stack, secrets: dict[str, str]) -> None:
    said = {word: stack.ponte(word) for word in ("config", "doctor", "ps", "logs")}

    assert leaks(((word, each.stdout + each.stderr) for word, each in said.items()), secrets) == []


def test_no_answer_shows_a_secret(stack: Stack, secrets: dict[str, str]) -> None:
    assert leaks(answers(stack.url), secrets) == []


SLEEP = (sys.executable, "-c", "input()")


@pytest.mark.parametrize("name", ["password", "secret key", "certificate's key"])
@pytest.mark.parametrize("place", ["environ", "cmdline"])
def test_a_process_that_shows_one_is_caught(secrets: dict[str, str], name: str, place: str) -> None:
    words, environ = {"environ": ((), {"KEY": secrets[name]}), "cmdline": ((secrets[name],), {})}[place]
    with subprocess.Popen([*SLEEP, *words], env=environ, stdin=subprocess.PIPE) as started:
        found = until(lambda: leaks(processes([started.pid]), secrets))  # its memory is there a moment after it is

    assert found == [f"{place} of {started.pid} shows {name}"]


@pytest.mark.parametrize(("mode", "caught"), [(0o600, False), (0o640, True), (0o644, True)])
def test_a_file_that_others_may_read_is_caught(tmp_path: Path, mode: int, caught: bool) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / "rendered.conf").write_text("password=open sesame")
    (tmp_path / "rendered.conf").chmod(mode)
    (tmp_path / "other").touch(0o644)

    assert bool(leaks(readable_files(tmp_path), {"password": "open sesame"})) is caught


def test_the_services_are_looked_at(pids: set[int]) -> None:
    """Of every service there is a process among those that were looked at."""
    lines = [Path(f"/proc/{pid}/environ").read_bytes() for pid in pids if Path(f"/proc/{pid}").exists()]

    assert [name for name in NAMES if not any(f"REPLICA={name}-1".encode() in line for line in lines)] == []
