"""Floors of what reads the requests of strangers: see promise.md."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.contract import ROOT
from tests.engine import Stack
from tests.promises.containers import LABEL, docker

# The first release that will do, and what was wrong with the one before.
FLOORS = {
    "gunicorn": ("27.0", "bare LF, control characters and lengths that two parsers read in two ways"),
    "uvicorn": ("0.54", "the one whose shutdown apps/serve/uvicorn.py extends"),
    "h11": ("0.16", "CVE-2025-43859: the end of a chunk was not checked"),
    "django": ("5.2.8", "CVE-2025-64459: SQL by the name of a keyword"),
    "starlette": ("0.49.1", "CVE-2025-62727: a Range header that takes all CPU"),
    "jinja2": ("3.1.6", "CVE-2025-27516: the way out of the sandbox"),
    "werkzeug": ("3.0.6", "CVE-2024-49767: a form that takes all memory"),
}
NGINX = {"stable": (1, 30, 6), "mainline": (1, 31, 7)}
POSTGRES = (17, 18)
ASK = "import importlib.metadata as m, json, sys; print(json.dumps({n: m.version(n) for n in sys.argv[1:]}))"


def numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", version)[:3]))


def below(versions: dict[str, str]) -> dict[str, str]:
    """What is older than its floor; everything that has one must be there."""
    assert set(FLOORS) <= set(versions)
    return {name: versions[name] for name, (floor, _) in FLOORS.items() if numbers(versions[name]) < numbers(floor)}


def is_below(nginx: tuple[int, ...]) -> bool:
    return nginx < NGINX["stable" if nginx < (1, 31) else "mainline"]


def locked(text: str) -> dict[str, str]:
    return dict(re.findall(r"^([\w-]+)==([\w.]+)", text, re.MULTILINE))


def test_no_lock_is_below_a_floor() -> None:
    assert below(locked((ROOT / "apps" / "requirements.txt").read_text())) == {}


@pytest.mark.parametrize("name", FLOORS)
def test_an_older_lock_is_caught(name: str) -> None:
    found = locked((ROOT / "apps" / "requirements.txt").read_text())

    assert below(found | {name: "0.1.2"}) == {name: "0.1.2"}


@pytest.mark.parametrize(
    ("version", "old"),
    [((1, 28, 0), True), ((1, 30, 5), True), ((1, 30, 6), False), ((1, 31, 0), True), ((1, 31, 6), True),
     ((1, 31, 7), False), ((1, 32, 0), False)],
)  # fmt: skip
def test_an_older_nginx_is_caught(version: tuple[int, ...], old: bool) -> None:
    assert is_below(version) is old


class Running:
    """Asks what runs, of either engine."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.rows = {row["service"]: row for row in stack.ps()}

    def said(self, service: str, program: str, *words: str) -> str:
        """What the program of a running service says, on either stream; `program` is its name in a container."""
        started = self.rows[service]["id"]
        native = [str(executable(int(started), program))] if self.stack.engine == "native" else []
        command = native or ["docker", "exec", container(self.stack, service), program]
        ran = subprocess.run([*command, *words], capture_output=True, text=True, check=True)
        return ran.stdout + ran.stderr


def executable(pid: int, program: str) -> Path:
    """(!) Of Python the name it was called by: it leads to its packages."""
    called = Path(os.fsdecode(Path(f"/proc/{pid}/cmdline").read_bytes().partition(b"\0")[0]))
    return called if program == "python" else Path(f"/proc/{pid}/exe").resolve()


def container(stack: Stack, service: str) -> str:
    labels = {"project": stack.environ["COMPOSE_PROJECT_NAME"], "service": service}
    filters = [word for name, value in labels.items() for word in ("--filter", f"label={LABEL}.{name}={value}")]
    return docker("ps", "--quiet", *filters).split()[0]


@pytest.fixture(scope="module")
def running(stack: Stack) -> Running:
    return Running(stack)


@pytest.mark.parametrize("service", ["flask", "django", "django-asgi", "fastapi"])
def test_no_running_application_is_below_a_floor(running: Running, service: str) -> None:
    assert below(json.loads(running.said(service, "python", "-c", ASK, *FLOORS))) == {}


def test_the_running_edge_is_above_its_floor_or_says_that_it_is_not(running: Running) -> None:
    version = numbers(running.said("nginx", "nginx", "-v").partition("/")[2])

    assert version >= (1, 28)
    if running.stack.engine == "native":
        assert ("is below" in running.stack.ponte("doctor").stdout) is is_below(version)
    else:
        assert not is_below(version)


def test_the_running_database_is_one_of_those_that_are_supported(running: Running) -> None:
    said = running.said("postgres", "postgres", "--version")

    assert int(re.search(r"\) (\d+)", said)[1]) in POSTGRES  # type: ignore[index]
