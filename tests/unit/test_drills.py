"""Drills: the table, words that are wrong, what is promised in numbers, and the mend when a drill is interrupted."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from deploy.cli import main
from deploy.console import Console
from deploy.engines.base import Replica
from deploy.errors import Answer, Failure
from deploy.settings import ROOT, build
from loadtests.drills import breaks, run
from loadtests.drills.bounds import Bounds, Moments, in_flight, meanwhile, refused
from loadtests.drills.run import play
from loadtests.drills.scene import Scene
from loadtests.drills.table import DRILLS, Drill
from loadtests.oracle.records import Request
from tests.waiting import until

KILL = 1000.0


# ---------------------------------------------------------------------------------- words


def test_the_list_names_every_drill_with_its_promise(capsys: pytest.CaptureFixture[str]):
    assert main(["drill"]) == 0
    shown = capsys.readouterr().out

    assert [name for name in DRILLS if not re.search(rf"^ *{name} ", shown, re.MULTILINE)] == []


def test_the_list_needs_none_of_the_load_tests_packages():
    """They are installed when a drill begins, not before."""
    code = "import sys; sys.modules['numpy'] = sys.modules['httpx'] = None; import loadtests.drills.table"

    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0


def test_an_unknown_drill_is_refused_with_the_choices(capsys: pytest.CaptureFixture[str]):
    assert main(["drill", "DRILL=kill-everything"]) == 2

    told = capsys.readouterr().err
    assert told == f"ponte: DRILL='kill-everything' is unknown; choose from {', '.join(DRILLS)}\n"


def test_a_rate_that_is_none_is_refused(capsys: pytest.CaptureFixture[str]):
    assert main(["drill", "DRILL=kill-replica", "RATE=0"]) == 2
    assert capsys.readouterr().err == "ponte: RATE='0' is not a rate; write arrivals a second, 50 or 0.5\n"


def test_a_drill_needs_a_stack(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("PONTE_RUN", str(tmp_path))
    monkeypatch.setattr("deploy.choice._compose_runs", lambda settings: False)

    assert main(["drill", "DRILL=kill-replica"]) == 3
    assert capsys.readouterr().err == "ponte: nothing is up; start the stack with ./ponte up\n"


def test_the_page_lists_every_drill_in_its_own_words():
    page = (ROOT / "docs" / "drills.md").read_text()
    told = dict(re.findall(r"^\| `([a-z-]+)` \| (.+?) \|", page, re.MULTILINE))

    assert told == {name: each.breaks for name, each in DRILLS.items()}


# ---------------------------------------------------------------------------------- numbers


def request(at: float, method: str = "GET", seconds: float = 0.01, **changed: object) -> Request:
    status = 200 if method == "GET" else 201
    made = Request("id", KILL + at, method, "/flask/json", "close", status, "", "", seconds, "")
    return replace(made, **changed)  # type: ignore[arg-type]


def steady(*others: Request) -> list[Request]:
    """A read and a write each half second, and others."""
    usual = [request(place / 2, method) for place in range(-4, 20) for method in ("GET", "POST")]
    return sorted([*usual, *others], key=lambda each: each.at)


def verdict(**faults: int) -> SimpleNamespace:
    return SimpleNamespace(faults={"GET lost": 1, "writes missing": 0, **faults}, late=0.0)


MOMENTS = Moments([(KILL, KILL + 0.01)], mended=KILL + 4)
LOSSES = {
    "a write that was under way": (in_flight, request(-0.2, "POST", 0.3, status=502), True),
    "a write that was sent later": (in_flight, request(1.0, "POST", status=502), False),
    "a write that was answered before": (in_flight, request(-1.0, "POST", status=502), False),
    "a write between break and mend": (meanwhile, request(2.0, "POST", status=503), True),
    "a write while applications recover": (meanwhile, request(8.0, "POST", status=503), True),
    "a write long after the mend": (meanwhile, request(9.1, "POST", status=503), False),
    "a write that met nobody": (refused, request(1.0, "POST", status=0, error="refused", sent=False), True),
    "a write that was cut": (refused, request(1.0, "POST", status=0, error="cut"), False),
}


@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_is_excused_only_when_it_was_promised_to_be_possible(name: str):
    losable, lost, excused = LOSSES[name]
    broken = Bounds({"POST": losable}).broken(verdict(), steady(lost), MOMENTS)

    assert bool(broken) != excused, broken


def test_a_read_is_never_excused_where_only_writes_may_be_lost():
    broken = Bounds({"POST": in_flight}).broken(verdict(), steady(request(0.0, status=502)), MOMENTS)

    assert broken == ["1 GET lost that should not be; the first +0.00 s from the break: it was answered 502"]


def test_a_service_that_is_silent_for_too_long_breaks_the_promise():
    requests = [each for each in steady() if not 0 < each.at - KILL < 4]

    assert Bounds().broken(verdict(), requests, MOMENTS) == [
        f"no {method} of flask succeeded for 4.00 s, 3 s are promised" for method in ("GET", "POST")
    ]
    assert Bounds().broken(SimpleNamespace(faults={}, late=1.5), requests, MOMENTS) == []


@pytest.mark.parametrize("fault", ["writes missing", "rows twice", "unexplained", "chat messages missed"])
def test_nothing_excuses_a_missing_or_a_repeated_write(fault: str):
    assert Bounds({"POST": meanwhile}).broken(verdict(**{fault: 2}), steady(), MOMENTS) == [f"2 {fault}"]


@pytest.mark.parametrize(("at", "code"), [(-1.0, 3), (1.0, 1)])
def test_a_machine_that_loses_requests_by_itself_is_not_taken_for_a_broken_promise(
    monkeypatch: pytest.MonkeyPatch, at: float, code: int
):
    monkeypatch.setitem(DRILLS, "kill-replica", replace(DRILLS["kill-replica"], bounds=Bounds()))
    scene = SimpleNamespace(say=Console(), moments=MOMENTS, broken=[])
    found = SimpleNamespace(losses=[], sentence=lambda: "", faults={}, late=0.0, asked=200)

    with pytest.raises(Failure) as caught:
        run.tell("kill-replica", scene, found, steady(request(at, status=503)))  # type: ignore[arg-type]
    assert caught.value.code == code


# ---------------------------------------------------------------------------------- interruptions


class Engine:
    """Two replicas of flask, real processes that only wait."""

    name = "native"

    def __init__(self, run: Path):
        self.settings = build({}, {}, ROOT, run)
        self.processes = [sleeper() for _ in range(2)]
        self.scaled: list[int] = []

    def ps(self) -> list[Replica]:
        return [
            Replica("flask", f"flask-{place}", "running", state(each.pid) not in "TZX", id=str(each.pid), uptime=1)
            for place, each in enumerate(self.processes, 1)
        ]

    def scale(self, service: str, count: int) -> None:
        self.scaled.append(count)
        while len(self.processes) < count:
            self.processes.append(sleeper())
        while len(self.processes) > count:
            end(self.processes.pop())

    def url(self) -> str:
        return self.settings.url


def sleeper() -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(60)"])


def end(process: "subprocess.Popen[bytes]") -> None:
    process.kill()
    process.wait()


def state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


class Load:
    """The oracle's, without any load."""

    ended = False

    def __init__(self, *_: object, **__: object):
        self.plan = SimpleNamespace(now=lambda: KILL)

    def mark(self, word: str) -> None: ...

    def __enter__(self) -> "Load":
        return self

    def __exit__(self, *_: object) -> None:
        type(self).ended = True


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    monkeypatch.setattr(run, "Load", Load)
    monkeypatch.setattr(Load, "ended", False)
    made = Engine(tmp_path)
    yield made
    for each in made.processes:
        end(each)


@contextmanager
def interrupted_at(scene: Scene, step: int) -> Iterator[None]:
    """Whoever waits for the so-and-so-manieth time is interrupted."""
    waits: list[float] = []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == step:
            raise KeyboardInterrupt

    scene.wait = wait  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        yield


def hang(scene: Scene) -> None:
    breaks.hang_replica(scene)
    until(lambda: [each.ready for each in scene.rows("flask")] == [False, True, True])
    scene.wait(0)


HANG = Drill("", "", "", hang, prepare=breaks.three)
STEPS = {"before the break": 1, "while it is broken": 2, "when it has watched": 3, "after the mend": 4}


@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)
def test_a_drill_that_is_interrupted_mends_what_it_broke(engine: Engine, tmp_path: Path, step: int):
    scene = Scene(engine, Console(), ["flask"])  # type: ignore[arg-type]
    with interrupted_at(scene, step):
        play(HANG, scene, tmp_path, rate=200)

    assert [each.ready for each in engine.ps()] == [True, True]
    assert engine.scaled == [3, 2]
    assert Load.ended


def test_the_mend_itself_is_not_interrupted(engine: Engine, tmp_path: Path):
    scene = Scene(engine, Console(), ["flask"])  # type: ignore[arg-type]
    scene.mends.callback(engine.scaled.append, 0)
    scene.mends.callback(os.kill, os.getpid(), signal.SIGINT)
    with scene.mended():
        pass

    assert engine.scaled == [0]


def test_a_stack_that_does_not_get_well_is_told(engine: Engine, monkeypatch: pytest.MonkeyPatch):
    scene = Scene(engine, Console(), ["flask"])  # type: ignore[arg-type]
    monkeypatch.setattr("loadtests.drills.scene.BACK_SECONDS", 0)
    end(engine.processes[0])
    engine.processes[0] = engine.processes[1]
    os.kill(engine.processes[1].pid, signal.SIGSTOP)
    until(lambda: scene.wrong())

    with pytest.raises(Answer, match=r"flask-1, flask-2 is not ready; ./ponte up mends it"), scene.mended():
        pass
