"""The table of lost requests: what is measured, what is concluded from it, and how it ends."""

import os
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from deploy import tasks
from deploy.console import Console
from deploy.settings import build
from loadtests import stack
from loadtests.drills.bounds import Moments
from loadtests.errors import Stop
from loadtests.experiments import lost_requests, words
from loadtests.experiments.lost_requests import Result, Run, chosen, conclusion, table
from loadtests.experiments.operations import OPERATIONS, Scene
from loadtests.oracle import Judgement
from loadtests.oracle.records import Request, line

DEFAULTS = ("gunicorn", "uvicorn")
HOST = {"host": {"cpu": "x", "cores": 2, "memory": 2**30, "kernel": "6", "python": "3.11"}, "versions": {"nginx": "1.31"},
        "commit": "abc", "stack": {"engine": "native", "services": {"flask": {"server": "gunicorn", "workers": 2}}}}  # fmt: skip


def launched(**installed: bool) -> dict[str, Any]:
    interfaces = {"uvicorn": ["asgi"], "daphne": ["asgi"], "granian": ["wsgi", "asgi"]}
    common = {"packages": "apps/serve", "matrix_only": False, "websockets": True}
    servers = {
        name: {"interfaces": interfaces.get(name, ["wsgi"]), "installed": there, **common}
        for name, there in ({"gunicorn": True, "waitress": True, "uvicorn": True} | installed).items()
    }
    return {"servers": servers, "services": {"flask": {"default": "gunicorn"}, "fastapi": {"default": "uvicorn"}}}


def result(server: str = "gunicorn", operation: str = "reload", **more: Any) -> Result:
    faults = dict.fromkeys(("GET lost", "POST lost", "rows twice", "chat messages missed", "writes missing"), 0)
    given = {"requests": 1000, "faults": faults | more.pop("faults", {}), "rate": 1.0}
    return Result(server, "flask", operation, 1, **{**given, **more})


# ------------------------------------------------------------------------------------ what is measured


def test_the_default_servers_are_measured_and_all_when_asked_for():
    assert chosen("", launched()) == (["gunicorn", "uvicorn"], [])
    assert chosen("all", launched(daphne=False)) == (["gunicorn", "waitress", "uvicorn"], ["daphne (not installed)"])
    assert chosen("waitress", launched()) == (["waitress"], [])


def test_a_server_that_is_named_is_installed_by_the_stack_that_starts_it():
    assert chosen("daphne", launched(daphne=False)) == (["daphne"], [])


def test_an_unknown_server_is_refused_in_a_sentence():
    with pytest.raises(Stop, match="SERVER='gunicron' is unknown; choose from all, gunicorn, waitress") as refused:
        chosen("gunicron", launched())
    assert refused.value.code == 2


def test_one_stack_has_a_server_of_each_interface(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(lost_requests, "launcher_table", launched)
    run = Run(words.parse(["SERVER=all", "N=20"]))

    assert run.rounds == [{"flask": "gunicorn", "fastapi": "uvicorn"}, {"flask": "waitress"}]
    assert run.repetitions == 20


@pytest.mark.parametrize(("chat", "readers"), [("uvicorn", 50), ("gunicorn-a2wsgi", 0)])
def test_nobody_reads_the_chat_of_a_server_without_websockets(chat: str, readers: int):
    run = Run(words.parse(["SERVER=all"]))

    assert run.readers({"flask": "waitress", "fastapi": chat}) == readers
    assert run.readers({"flask": "waitress"}) == 50


def test_a_server_of_both_interfaces_is_measured_under_both(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(lost_requests, "launcher_table", lambda: launched(granian=True))
    run = Run(words.parse(["SERVER=granian"]))

    assert run.rounds == [{"flask": "granian", "fastapi": "granian"}]
    assert (run.label("granian", "flask"), run.label("uvicorn", "fastapi")) == ("granian (flask)", "uvicorn")


def test_a_reference_of_the_matrix_is_not_measured():
    with pytest.raises(Stop, match="wsgiref") as refused:
        chosen("wsgiref", lost_requests.launcher_table())
    assert refused.value.code == 2


def test_the_default_is_every_operation():
    assert words.config("lost-requests", words.parse([]))["operations"] == list(OPERATIONS)


def test_the_launcher_says_which_of_its_servers_are_installed():
    assert all("installed" in each for each in lost_requests.launcher_table()["servers"].values())


def test_a_release_is_another_tree_of_the_copy(tmp_path: Path):
    file = tmp_path / "apps" / "core" / "replica.py"
    file.parent.mkdir(parents=True)
    file.touch()
    said: list[tuple[str, ...]] = []
    scene = Scene(SimpleNamespace(root=tmp_path, ponte=lambda *given: said.append(given)), "flask")  # type: ignore[arg-type]
    scene.release("bluegreen")
    first = file.read_text()
    scene.release("rolling")

    assert said == [("deploy", "SERVICE=flask", f"STRATEGY={name}") for name in ("bluegreen", "rolling")]
    assert first and file.read_text() != first


# ------------------------------------------------------------------------------------ what is concluded


def test_zeros_are_said_with_how_many_were_asked():
    found = [result(), result("uvicorn"), result(operation="SIGKILL", faults={"POST lost": 2})]

    assert conclusion(found, DEFAULTS) == (
        "Nothing is lost by gunicorn and uvicorn: 0 of 2,000 requests in 2 operations; SIGKILL of a replica lost 0 GET and "
        "2 POST in 1, within its bounds."
    )


def test_a_loss_of_a_default_server_is_said_first():
    found = [result(), result(broken=["1 POST lost"]), result("uvicorn", failed="not ready")]

    assert conclusion(found, DEFAULTS) == (
        "The column of defaults is not zeros: reload of gunicorn: 1 POST lost (and 1 more)."
    )


def test_another_servers_losses_are_its_own():
    found = [result(), result("waitress", broken=["7 GET lost"]), result("granian")]

    assert conclusion(found, DEFAULTS).endswith("1 operations. Of 2 others not everything as promised by waitress.")
    assert conclusion(found[2:], DEFAULTS).endswith("measured. Everything as promised by granian.")


def test_a_line_is_the_sum_of_its_repetitions():
    found = [result(faults={"POST lost": 1, "writes missing": 2}, worst=0.5, seconds=1.0),
             result(faults={"POST lost": 2}, worst=0.25, seconds=3.0), result(seconds=9.0, failed="no")]  # fmt: skip

    assert table(found, list(OPERATIONS.values()))["rows"] == [
        ["gunicorn", "reload", "3,000", "0", "3", "0", "0", "2", "0.50 s", "3.0 s", "3, 1 failed"]
    ]


# ------------------------------------------------------------------------------------ how it ends


class FakeLoad:
    """Two thousand requests that lose what the test says."""

    lost: Mapping[str, int] = {}

    def __init__(self, *_: object, folder: Path):
        self.folder, self.started = folder, 0.0
        self.plan = SimpleNamespace(now=lambda: 100.0)
        (folder / "requests.jsonl").touch()

    def __enter__(self) -> "FakeLoad":
        return self

    def __exit__(self, *_: object) -> None: ...

    def mark(self, word: str) -> None: ...

    def verdict(self, lines: Iterator[str]) -> Judgement:
        none = dict.fromkeys(Judgement.__annotations__, 0)
        given = {"lost": {"GET": 0, "POST": 0, **self.lost}, "tallies": {}, "reconnects": {}, "slowest": {}, "losses": [],
                 "marks": [], "requests": 2000, "rate": 200.0, "asked": 200.0}  # fmt: skip
        return Judgement(**{**none, **given})  # type: ignore[arg-type]


class FakeStack:
    url, tls_url, removed = "http://a", "https://a", False

    def __init__(self, root: Path, fails: Mapping[str, BaseException]):
        self.root, self.fails, self.told = root, fails, list[str]()

    def ponte(self, *given: str) -> None:
        self.told.append(" ".join(given))
        if error := self.fails.get(given[0]) or self.fails.get(" ".join(given)):
            raise error

    def restart(self, **given: str) -> None:
        self.ponte("up", *map("=".join, given.items()))

    @contextmanager
    def edge_log(self, path: Path, wait: float) -> Iterator[None]:
        path.touch()
        yield


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Runs it against a stack that is none: its exit code, what was told to the stack, what was written."""
    document = tmp_path / "lost-requests.md"

    def run(*given: str, lost: Mapping[str, int] = {}, fails: Mapping[str, BaseException] = {}) -> SimpleNamespace:
        file = tmp_path / "apps" / "core" / "replica.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        found = FakeStack(tmp_path, fails)

        @contextmanager
        def lab(*_: object, own_checkout: bool) -> Iterator[FakeStack]:
            assert own_checkout
            try:
                yield found
            finally:
                found.removed = True

        plan = {"operations": ["rolling release", "rollback", "reload"], "repetitions": 2, "rate": 200, "sockets": 50}
        for name, value in {
            "laboratory": lab, "Load": type("Load", (FakeLoad,), {"lost": lost}), "launcher_table": launched,
            "described": lambda _: HOST, "REPORTS": tmp_path / "reports", "DOCUMENT": document,
            "config": lambda *_: plan | {"before": 0, "after": 0},
        }.items():  # fmt: skip
            monkeypatch.setattr(lost_requests, name, value)
        started = Run(words.parse(given))
        return SimpleNamespace(
            code=started.conduct(), stack=found, run=started, document=document.read_text() if document.exists() else ""
        )

    return run


def test_zeros_end_with_0_and_write_the_page(ran: Any):
    found = ran()

    assert found.code == 0
    assert found.document.startswith("# Lost requests\n\nNothing is lost by gunicorn and uvicorn: 0 of 24,000 requests")
    assert "| gunicorn | rolling release | 4,000 | 0 | 0 | 0 | 0 | 0 | 0.00 s |" in found.document
    assert "{" not in found.document
    assert found.stack.told[0] == "up FLASK_SERVER=gunicorn FASTAPI_SERVER=uvicorn"
    assert found.stack.told.count("reload") == 4
    assert {path.name for path in found.run.folder.iterdir()} == {"run.json", "index.html"}


def test_one_lost_write_ends_with_1_and_keeps_what_explains_it(ran: Any):
    found = ran(lost={"POST": 1})

    assert found.code == 1
    assert "The column of defaults is not zeros: rolling release of gunicorn: 1 POST lost" in found.document
    assert (found.run.folder / "gunicorn-rolling-release-1" / "requests.jsonl").exists()


def test_an_operation_that_fails_is_a_line_and_the_others_go_on(ran: Any):
    found = ran(fails={"rollback": Stop("flask-3 is not ready", 1)})

    assert found.code == 1
    assert "rollback of gunicorn: flask-3 is not ready" in found.document
    assert {each.requests for each in found.run.results} == {2000}, "what was sent meanwhile is counted"
    assert found.stack.told.count("reload") == 4


def test_losses_of_other_servers_fail_nothing_and_change_no_page(ran: Any):
    found = ran("SERVER=waitress", lost={"GET": 3})

    assert (found.code, found.document) == (0, "")


def test_a_quick_run_changes_no_page(ran: Any):
    assert ran("QUICK=1").document == ""


def test_an_interruption_keeps_what_was_measured_and_takes_the_stack_away(ran: Any):
    found = ran(fails={"reload": KeyboardInterrupt()})

    assert (found.code, found.stack.removed, found.document) == (130, True, "")
    assert len(found.run.results) == 2
    assert {path.name for path in found.run.folder.iterdir()} == {"run.json", "index.html"}


def test_a_server_that_does_not_start_keeps_no_other_from_being_measured(ran: Any):
    found = ran("SERVER=all", fails={"up FLASK_SERVER=waitress": Stop("waitress is broken", 1)})

    assert found.code == 0
    assert {each.server for each in found.run.results} == {"gunicorn", "uvicorn"}
    assert "Not measured: waitress (waitress is broken)." in found.document


def test_the_only_server_that_was_asked_for_says_why_it_does_not_start(ran: Any):
    with pytest.raises(Stop, match="waitress is broken") as refused:
        ran("SERVER=waitress", fails={"up FLASK_SERVER=waitress": Stop("waitress is broken", 3)})
    assert refused.value.code == 3


def test_a_stack_that_does_not_start_leaves_no_report(ran: Any, tmp_path: Path):
    with pytest.raises(Stop, match="no engine"):
        ran(fails={"up": Stop("no engine", 3)})
    assert list((tmp_path / "reports").iterdir()) == []


def lost_post(at: float) -> Request:
    return Request("u", at, "POST", "/flask/messages", "close", 502, "", "", 0.02, "")


def test_a_kill_may_cost_the_writes_that_were_under_way_and_nothing_else_may(tmp_path: Path):
    """The kill was at 100.0."""
    broken = []
    for operation, at in (("SIGKILL", 99.99), ("SIGKILL", 97.0), ("reload", 99.99)):
        load = FakeLoad(folder=tmp_path)
        load.lost = {"POST": 1}
        (tmp_path / "requests.jsonl").write_text(line(lost_post(at)) + "\n")
        found, scene = result(operation=operation), Scene(None, "flask", moments=Moments([(100.0, 100.0)]))  # type: ignore[arg-type]
        lost_requests.judged(found, OPERATIONS[operation], scene, load, load.verdict(iter(())))  # type: ignore[arg-type]
        broken.append([each for each in found.broken if "lost" in each])

    assert [len(each) for each in broken] == [0, 1, 1], broken


def test_the_moments_of_an_earlier_kill_are_forgotten(tmp_path: Path):
    scene = Scene(FakeStack(tmp_path, {}), "flask", moments=Moments([(1.0, 1.0)]))  # type: ignore[arg-type]
    OPERATIONS["SIGKILL"].begin(scene)

    assert scene.moments == Moments()
    assert scene.stack.told == ["scale SERVICE=flask REPLICAS=3"]  # type: ignore[attr-defined]


def test_what_was_set_for_another_stack_has_no_say(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    seen: dict[str, str] = {}
    monkeypatch.setattr(tasks, "replace", lambda argv, cwd: seen.update(os.environ))
    monkeypatch.setattr(os, "environ", {"PATH": "/bin", "RATE_LIMIT": "5", "DATABASE_URL": "postgres://somebody"})
    given = {"ENGINE": "native", "PG_BIN": "/pg", "RATE_LIMIT": "5", "DATABASE_URL": "postgres://somebody"}
    tasks.lost_requests(build(given, given, tmp_path, tmp_path / ".run"), Console(), {})

    assert seen == {"PATH": "/bin", "ENGINE": "native", "PG_BIN": "/pg"}


# ------------------------------------------------------------------------------------ a stack of its own


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A checkout whose ./ponte notes how it was called, and who is deaf to Ctrl-C."""
    root = tmp_path / "home"
    (root / ".run" / "venv").mkdir(parents=True)
    (root / "apps").mkdir()
    (root / ".env").write_text("HTTP_PORT=1\n")
    ponte = root / "ponte"
    ponte.write_text(
        '#!/bin/sh\necho "$PWD $PONTE_RUN $1 $(grep SigIgn /proc/self/status | cut -f2)" >> ' + f"{tmp_path}/told\n"
    )
    ponte.chmod(0o755)
    monkeypatch.setattr(stack, "ROOT", root)
    monkeypatch.setattr(stack, "RUN", root / ".run")
    return root


def told(home: Path) -> list[list[str]]:
    return [line.split() for line in (home.parent / "told").read_text().splitlines()]


def test_it_is_a_copy_with_the_same_packages_and_goes_away_with_its_data(home: Path):
    with stack.laboratory("native", {}, own_checkout=True) as lab:
        assert {path.name for path in lab.root.iterdir()} == {"apps", "ponte", ".run"}
        assert (lab.root / ".run" / "venv").resolve() == (home / ".run" / "venv").resolve()
        assert lab.root != home

    assert [line[2] for line in told(home)] == ["down", "clean"]
    assert not lab.root.exists()
    assert (home / ".run" / "venv").exists()


def test_nobody_who_is_impatient_keeps_it_from_going_away(home: Path):
    with pytest.raises(KeyboardInterrupt), stack.laboratory("native", {}, own_checkout=True):
        raise KeyboardInterrupt
    ignored = int(told(home)[0][3], 16)

    assert all(ignored >> number - 1 & 1 for number in (signal.SIGINT, signal.SIGTERM))


def test_one_whose_command_was_killed_is_removed_by_the_next_and_one_at_work_is_not(home: Path):
    dead, alive = (home / ".run" / f"lab-{number}.checkout" for number in (2**22 + 1, os.getppid()))
    for root in (dead, alive):
        stack.check_out(root)
    with stack.laboratory("native", {}):
        pass

    assert (dead.exists(), alive.exists()) == (False, True)
    assert told(home)[0][:3] == [str(dead), str(home / ".run" / f"lab-{2**22 + 1}"), "down"]


def test_the_sentence_of_a_failure_is_found_above_the_last_words_of_a_log():
    said = "starting\nponte: flask-5 ended by itself; rolled back\n  flask-5 | ImportError: x\n"

    assert stack.sentence(said) == "flask-5 ended by itself; rolled back"
    assert stack.sentence("docker: no\n") == "docker: no"
