"""docs/choosing.md: what is kept of a run, and that its figures lead where the page says."""

import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from loadtests.report import choosing
from loadtests.report.choosing import KINDS, Contradicted, page
from loadtests.report.figures import ARRANGED, SOURCES, Refused, taken
from loadtests.report.runs import Runs
from loadtests.services import ASGI, SERVICES

WAIT = "/wait?ms=200"
HOST = {"cpu": "a CPU", "cores": 2, "memory": 2**33, "kernel": "6.1", "python": "3.11.7"}
RUNNING = {each: {"replicas": 2, "server": "a server", "workers": None if each in ASGI else 2} for each in SERVICES}


def run(experiment: str, mix: str = "", **more: Any) -> dict[str, Any]:
    environment = {"host": HOST, "commit": "abc (clean)", "placement": "generator on CPU 1", "versions": {"flask": "3.1"},
                   "stack": {"engine": "native", "services": RUNNING}}  # fmt: skip
    common = {"format": 1, "id": f"20261130-100000-{experiment}", "experiment": experiment, "conclusion": "", "seconds": 60.4,
              "command": f"./ponte {experiment}", "started": "2026-11-30T10:00:00Z", "interrupted": False,
              "environment": environment, "config": {"mix": mix} if mix else {}, "verdict": {"word": "valid", "reasons": []}}  # fmt: skip
    return {**common, **more}


def point(service: str, app: float, verdict: str = "valid") -> dict[str, Any]:
    return {"service": service, "offered": 50, "achieved": 50.2, "latency": {"p50": 0.006}, "validity": {"verdict": verdict},
            "cost": {"app": app, "edge": 0.0003, "database": 0.0005, "generator": 0.0006}}  # fmt: skip


def load(mix: str, **app: float) -> dict[str, Any]:
    """Three repetitions; CPU seconds of an application are 0.004 unless said otherwise."""
    spread = (0.98, 1.0, 1.02)
    points = [point(each, app.get(each, 0.004) * factor) for each in SERVICES for factor in spread]
    return run("load", mix, points=points)


def scaling(speed_up: str = "3.90") -> dict[str, Any]:
    made = run("scaling", "cpu", tables=[table("Arrangements, cpu", ARRANGED, ["1", "1", "1", "20", "-", "1.00", "-"],
                                               ["2", "2", "4", "78", "-", speed_up, "1.02"])])  # fmt: skip
    made["config"]["cpu_quota"] = 0.1
    return made


def slow(**answered: float) -> dict[str, Any]:
    """Requests a second of 200; event loops answer all of them and threads 158 unless said otherwise."""
    return run("load", WAIT, points=[point(each, 0.001) | {"offered": 200, "achieved": answered.get(each, 199 if each in ASGI else 158)}
                                     for each in SERVICES])  # fmt: skip


def sockets(missed: int = 0, lost: int = 0) -> dict[str, Any]:
    return run("websockets", figures={
        "ramp": {"server_per_connection": {"edge": 20480, "app": 40960}, "generator_per_connection": 9216}, "hold": {"connections": 100, "lost": lost, "seconds": 4.0},
        "fan-out": {"rate": 20, "total": {"subscribers": 50, "lost": 0}}, "restart": {"stored": 220, "missed": missed},
    }, tables=[table("CPU of one core", ("phase", "edge", "app"), ["fan-out", "2%", "8%"])])  # fmt: skip


def table(title: str, columns: tuple[str, ...], *rows: list[str]) -> dict[str, Any]:
    """With a column that nobody asked for."""
    return {"title": title, "columns": ["more", *columns], "rows": [["x", *row] for row in rows], "note": ""}


def every(*instead: dict[str, Any]) -> dict[str, Any]:
    made = [load("cpu"), scaling(), load("query"), slow(), sockets(), load("upload"), *instead]
    return dict(map(taken, made))


def servers() -> str:
    return choosing.SERVERS.read_text()


def test_there_is_a_run_for_every_source():
    assert list(every()) == list(SOURCES)


def test_where_and_how_a_figure_was_measured_is_kept_with_it():
    name, kept = taken(load("cpu"))

    assert (name, kept["command"], kept["verdict"]["word"], kept["seconds"]) == ("cpu", "./ponte load", "valid", 60)
    assert (kept["host"], kept["versions"], kept["commit"]) == (HOST, {"flask": "3.1"}, "abc (clean)")
    assert kept["figures"]["flask"] == {"rate": 50, "answered": [50.2] * 3, "p50": [6.0] * 3, "app": [3.92, 4.0, 4.08], "edge": [0.3] * 3,
                                        "database": [0.5] * 3, "generator": [0.6] * 3}  # fmt: skip


@pytest.mark.parametrize(
    "against", [{"verdict": {"word": "invalid", "reasons": ["the generator starved"]}}, {"interrupted": True}]
)
def test_a_run_that_is_invalid_or_broken_off_gives_no_figure(against: dict[str, Any]):
    with pytest.raises(Refused, match=r"starved|interrupted"):
        taken({**load("cpu"), **against})


def test_an_invalid_repetition_gives_none_either():
    made = load("cpu")
    made["points"].append(point("flask", 9.0, "invalid"))

    assert taken(made)[1]["figures"]["flask"]["app"] == [3.92, 4.0, 4.08]


@pytest.mark.parametrize("made", [load("visit"), run("matrix"), run("scaling", "wait")], ids=lambda made: made["id"])
def test_a_run_of_something_else_is_refused_with_what_would_do(made: dict[str, Any]):
    with pytest.raises(
        Refused, match=r"load MIX=cpu, scaling MIX=cpu, load MIX=query, load MIX=/wait\?ms=200, websockets"
    ):
        taken(made)


def test_the_page_leads_to_each_kind_of_work_by_a_figure():
    said = page(every(load("cpu", fastapi=0.005)), servers())

    assert re.search(
        r"\| 4 ms of computing take 1\.25 \(1\.[12]\d … 1\.\d\d\) times as much CPU in FastAPI as in Flask; 4 workers",
        said,
    )
    assert "of 200 requests/s that wait for 200 ms 32 threads answer 158 (Flask), 2 event loops 199 (FastAPI)" in said
    assert "| django | 32 threads | 158 (158 … 158) | 6 (6 … 6) | 1.00 (1.00 … 1.00) |" in said
    assert re.search(r"\| fastapi \| 5\.00 \(4\.90 … 5\.10\) \| 1\.25 \(.+\) \| 0\.30 \| 0\.50 \|", said)
    assert "these 12 processes with a `DATABASE_POOL` of 4 have 48 connections" in said
    assert "{" not in said


def test_the_page_has_the_servers_costs_from_their_own_page():
    servers = "| server | WSGI | ASGI | CPU a request |\n|---|---|---|---|\n| `a` | pass | - | 1.00 |\n| `b` | differs | pass | 0.52 |\n\nx"
    said = page(every(), f"{servers}\n| `flask` | WSGI | 9 | 9 |")

    assert "| WSGI | `b` 0.52, `a` 1.00 |\n| ASGI | `b` 0.52 |" in said


@pytest.mark.parametrize(
    ("made", "work"),
    [(scaling("1.20"), "Computing"), (load("cpu", fastapi=0.008), "Computing"), (load("query", **dict.fromkeys(SERVICES, 0.0001)), "A database"), (slow(flask=170), "Slow APIs"), (slow(fastapi=170), "Slow APIs"), (sockets(missed=1), "WebSockets"), (sockets(lost=1), "WebSockets")],
)  # fmt: skip
def test_figures_that_lead_elsewhere_are_not_put_on_the_page(made: dict[str, Any], work: str):
    with pytest.raises(Contradicted, match=work):
        page(every(made), servers())


# ------------------------------------------------------------------------------------ the command


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Stores runs, calls the command with them; its exit code and both files."""
    files = {"KEPT": tmp_path / "choosing.json", "DOCUMENT": tmp_path / "choosing.md", "REPORTS": tmp_path / "reports"}
    for name, path in files.items():
        monkeypatch.setattr(choosing, name, path)

    def call(*made: dict[str, Any]) -> SimpleNamespace:
        names = []
        for number, each in enumerate(made):
            folder = files["REPORTS"] / f"20261130-10000{number}-{each['experiment']}"
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "run.json").write_text(json.dumps(each))
            names.append(folder.name)
        texts = {name: path.read_text() if path.is_file() else "" for name, path in files.items()}
        code = choosing.main(names)
        now = {name: path.read_text() if path.is_file() else "" for name, path in files.items()}
        return SimpleNamespace(code=code, changed=now != texts, kept=now["KEPT"], page=now["DOCUMENT"])

    assert Runs(files["REPORTS"]).folders() == []
    return call


ALL = (load("cpu"), scaling(), load("query"), slow(), sockets(), load("upload"))


def test_the_page_is_written_from_runs_and_again_from_what_was_kept(written: Any):
    first = written(*ALL)
    again = written()

    assert (first.code, first.changed, again.code, again.changed) == (0, True, 0, False)
    assert first.page == page(json.loads(first.kept), servers())


def test_a_newer_run_takes_the_place_of_its_kind_alone(written: Any):
    before, after = json.loads(written(*ALL).kept), json.loads(written(sockets() | {"seconds": 9}).kept)

    assert [name for name in before if before[name] != after[name]] == ["sockets"]


@pytest.mark.parametrize(
    ("made", "code", "sentence"),
    [((sockets(missed=1),), 1, "lead elsewhere"), ((run("matrix"),), 2, "choose from"),
     ((load("cpu") | {"verdict": {"word": "invalid", "reasons": ["it starved"]}},), 2, "it starved")],
)  # fmt: skip
def test_what_is_refused_is_one_sentence_and_changes_nothing(
    written: Any, capsys: pytest.CaptureFixture[str], made: tuple[dict[str, Any], ...], code: int, sentence: str
):
    written(*ALL)
    found = written(*made)
    said = capsys.readouterr().err

    assert (found.code, found.changed) == (code, False)
    assert sentence in said and said.startswith("ponte: ") and said.count("\n") == 1


def test_a_page_that_lacks_a_kind_is_not_written(written: Any, capsys: pytest.CaptureFixture[str]):
    assert (written(*ALL[:4]).code, written(*ALL[:4]).page) == (2, "")
    assert "lacks a run of websockets, load MIX=upload" in capsys.readouterr().err


def test_every_kind_of_work_names_a_section_of_the_page():
    said = page(every(), servers())

    for kind in KINDS:
        title, _, anchor = kind.work.removeprefix("[").partition("](#")
        assert f"## {title}" in said
        heading = next(line for line in said.splitlines() if line.startswith(f"## {title}"))
        assert heading.removeprefix("## ").lower().replace(" ", "-") == anchor.partition(")")[0]
