"""The matrix: which pairs there are, what is made of a finding, where an interrupted run goes on, what the page says."""

import json
import os
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from deploy import environment
from loadtests.errors import Stop
from loadtests.report import markdown, render
from tests.contract import APPLICATIONS
from tests.matrix import boot, document, page, plan, store
from tests.matrix.__main__ import equip
from tests.matrix.cells import Cell, refuse
from tests.matrix.findings import ABSENT, DIFFERS, FAIL, PASS, Found, Reason, judge, worst
from tests.matrix.plan import SERVERS, Pair, Words, every, pairs, parse
from tests.matrix.reasons import REASONS
from tests.matrix.suite import of_module, outcome, parametrized
from tests.stack import test_routing

NOW = datetime(2026, 11, 30, 7, 0, tzinfo=UTC)
DEFAULT, OTHER = Pair("gunicorn", "flask"), Pair("waitress", "flask")


# ------------------------------------------------------------------------------------ which pairs


def test_every_server_meets_every_framework_of_its_interface():
    found = {(each.server, each.framework) for each in pairs(Words())}

    assert found == {
        (server, name)
        for server, about in SERVERS.items()
        for name, framework in APPLICATIONS.items()
        if framework.interface in about["interfaces"]
    }


def test_the_default_server_comes_first_so_that_others_have_something_to_be_compared_with(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(plan, "SERVERS", dict(reversed(SERVERS.items())))
    first = {each.framework: each for each in reversed(every())}

    assert all(each.is_default for each in first.values())


def test_words_narrow():
    assert {each.framework for each in pairs(Words(framework="quart"))} == {"quart"}
    assert {each.server for each in pairs(Words(server="granian"))} == {"granian"}
    assert pairs(Words("granian", "quart")) == [Pair("granian", "quart")]
    assert pairs(Words("gunicorn", "quart")) == [Pair("gunicorn", "quart")], "the launcher says why not"


def test_the_short_form_has_each_server_and_each_framework_and_no_more_than_that_takes():
    found = pairs(Words(quick=True))
    sides = {each: [pair for pair in every() if pair.interface == each] for each in ("wsgi", "asgi")}

    assert {pair.framework for pair in found} == set(APPLICATIONS)
    assert {(pair.server, pair.interface) for pair in found} == {(pair.server, pair.interface) for pair in every()}
    assert (
        len(found)
        == len(set(found))
        == sum(
            max(len({pair.server for pair in side}), len({pair.framework for pair in side})) for side in sides.values()
        )
    )


def test_words_are_read():
    assert parse(["SERVER=granian", "FRAMEWORK=", "QUICK=1"]) == Words("granian", "", True)


@pytest.mark.parametrize("word", ("SERVER=gunicron", "FRAMEWORK=flsk", "QUICK=2", "SPEED=1"))
def test_a_wrong_word_is_one_sentence_with_the_choices_and_exit_2(word: str):
    with pytest.raises(Stop, match=f"{word.partition('=')[0]}.*; choose from ") as refused:
        parse([word])
    assert refused.value.code == 2


# ------------------------------------------------------------------------------------ what is made of a finding

TABLE = (Reason(("waitress",), "a stream*", "reads it whole"), Reason(("waitress",), "x", "a race", always=False))


def found(**said: str) -> Found:
    one = Found()
    for about, what in said.items():
        one.ask(about.replace("_", " "), what)
    return one


def test_a_pair_that_keeps_everything_passes():
    assert judge(DEFAULT, found(a_stream="", x=""), TABLE).word == PASS


def test_what_has_a_reason_differs():
    judged = judge(OTHER, found(a_stream_of_lines="came at once", x=""), TABLE)

    assert (judged.word, judged.reasons, judged.faults) == (DIFFERS, ["reads it whole"], [])


def test_what_has_none_is_red():
    assert judge(DEFAULT, found(a_stream="came at once"), TABLE).faults == ["a stream: came at once"]
    assert judge(OTHER, found(a_stream="came at once", else_="?"), TABLE).word == FAIL


def test_a_reason_that_no_longer_holds_is_red_but_a_race_may_be_won():
    (fault,) = judge(OTHER, found(a_stream="", x=""), TABLE).faults

    assert fault.startswith("no longer so") and "reads it whole" in fault
    assert judge(OTHER, found(something_else=""), TABLE).word == PASS, "it was not asked for"


def test_a_reason_is_for_what_was_said():
    table = (Reason(("waitress",), "*", "says so", said="close, *"),)

    assert judge(OTHER, found(a="close, where another is right"), table).word == DIFFERS
    assert judge(OTHER, found(a="silence"), table).word == FAIL


def test_the_worst_word_is_the_cells():
    assert worst([PASS, DIFFERS, PASS]) == DIFFERS
    assert worst([DIFFERS, FAIL, PASS]) == FAIL


def test_reasons_name_servers_and_frameworks_that_are_there():
    every_ = [reason for table in REASONS.values() for reason in table]

    assert {name for reason in every_ for name in reason.servers} <= set(SERVERS)
    assert {name for reason in every_ for name in reason.frameworks} <= set(APPLICATIONS)


def test_one_that_is_not_there_is_red_unless_it_needs_a_program_of_its_own(monkeypatch: pytest.MonkeyPatch):
    words = []
    for server in ("mod_wsgi", "waitress"):
        monkeypatch.setitem(SERVERS, server, SERVERS[server] | {"installed": False})
        cell = Cell(server, "flask", "wsgi")
        refuse(cell, Pair(server, "flask"), "not installed")
        words.append(cell.word)

    assert words == [ABSENT, FAIL]


@pytest.mark.parametrize(
    ("user", "program", "sets"), [(1000, "sh", ["apps/serve/mod_wsgi"]), (1000, "none-such", []), (0, "sh", [])]
)
def test_what_is_compiled_is_installed_where_its_program_is_but_not_for_root(
    monkeypatch: pytest.MonkeyPatch, user: int, program: str, sets: list[str]
):
    asked: list[str] = []
    about = SERVERS["mod_wsgi"] | {"installed": False, "program": [program, "apt install it"]}
    monkeypatch.setitem(SERVERS, "mod_wsgi", about)
    monkeypatch.setattr(os, "geteuid", lambda: user)
    monkeypatch.setattr(environment, "need", lambda root, *names: asked.extend(names))
    equip(["gunicorn", "mod_wsgi"])

    assert (asked, about["installed"]) == (sets, bool(sets))


def test_a_promise_that_is_not_kept_is_said_by_the_line_that_holds_it():
    def broken() -> None:
        assert found().asked == ["x"], "odd"

    assert outcome(broken).startswith('not so: assert found().asked == ["x"]')
    assert outcome(lambda: pytest.skip("not here")) == ""
    assert outcome(lambda: {}["server"]) == "KeyError: 'server'"


def test_a_test_is_called_for_everything_its_marks_name():
    (test,) = (each for each in of_module(test_routing) if each.__name__.startswith("test_an_unknown_path_is_404"))

    assert [values["method"] for _, values in parametrized(test)] == ["POST", "DELETE", "OPTIONS", "PROPFIND"]


# ------------------------------------------------------------------------------------ where it goes on


def begun(reports: Path, *names: Pair, words: Words = Words(), done: int = 0, **more: Any) -> store.Matrix:  # noqa: B008
    matrix = store.begin(reports, words, names or (DEFAULT, OTHER), NOW)
    matrix.cells += [Cell(each.server, each.framework, "wsgi") for each in (DEFAULT, OTHER)[:done]]
    for name, value in more.items():
        setattr(matrix, name, value)
    matrix.save()
    matrix.let_go()
    return matrix


def test_one_that_was_interrupted_is_continued_by_the_same_words(tmp_path: Path):
    first = begun(tmp_path, done=1)
    second = store.begin(tmp_path, Words(), (DEFAULT, OTHER), NOW)

    assert second.folder == first.folder
    assert second.left((DEFAULT, OTHER)) == [OTHER]


def test_one_that_is_being_written_is_left_alone(tmp_path: Path):
    first = begun(tmp_path, done=1)
    assert first.hold()

    assert store.begin(tmp_path, Words(), (DEFAULT, OTHER), NOW).folder != first.folder


@pytest.mark.parametrize(
    ("words", "names", "more"),
    [
        (Words(quick=True), (DEFAULT, OTHER), {}),
        (Words(), (DEFAULT,), {}),
        (Words(), (DEFAULT, OTHER), {"fingerprint": "another"}),
        (Words(), (DEFAULT, OTHER), {"finished": True}),
    ],
    ids=("words", "pairs", "files", "finished"),
)
def test_anything_else_begins_anew(tmp_path: Path, words: Words, names: Sequence[Pair], more: dict[str, Any]):
    first = begun(tmp_path, done=1, **more)

    second = store.begin(tmp_path, words, names, NOW)

    assert second.folder != first.folder and not second.cells


@pytest.mark.parametrize("text", ("", "{", "[]", '{"format": 2}', '{"format": 1}'))
def test_what_cannot_be_read_is_not_continued(tmp_path: Path, text: str):
    first = begun(tmp_path)
    (first.folder / store.FILE).write_text(text)

    assert store.begin(tmp_path, Words(), (DEFAULT, OTHER), NOW).folder != first.folder


def test_a_change_of_what_a_cell_depends_on_is_seen(tmp_path: Path):
    (tmp_path / "apps" / "__pycache__").mkdir(parents=True)
    (tmp_path / "apps" / "app.py").write_text("1")
    prints = [store.fingerprint(tmp_path, ("apps",))]
    (tmp_path / "apps" / "__pycache__" / "app.pyc").write_text("left behind")
    prints.append(store.fingerprint(tmp_path, ("apps",)))
    (tmp_path / "apps" / "app.py").write_text("2")
    prints.append(store.fingerprint(tmp_path, ("apps",)))

    assert prints[0] == prints[1] != prints[2]


# ------------------------------------------------------------------------------------ what the page says

FIGURES = {"cpu_us": 200, "memory": 2**25, "rate": 200.0, "equal_rate": True, "stop_seconds": 1.3}


def matrix(folder: Path, *cells: Cell) -> store.Matrix:
    names = [each.name for each in cells]
    return store.Matrix(folder, Words(), "f", names, "2026-11-30T07:00:00Z", cells=list(cells))


@pytest.fixture
def run(tmp_path: Path) -> dict[str, Any]:
    cells = (
        Cell("gunicorn", "flask", "wsgi", figures=FIGURES),
        Cell("waitress", "flask", "wsgi", DIFFERS, reasons=["reads it whole"], figures=FIGURES | {"cpu_us": 300}),
        Cell("waitress", "bottle", "wsgi", FAIL, faults=["stop: it was held for 9 s"]),
        Cell("uvicorn", "fastapi", "asgi", figures=FIGURES | {"equal_rate": False}),
    )
    return page.as_run(matrix(tmp_path, *cells), "./ponte matrix", interrupted=False)


def test_the_conclusion_counts_and_names_what_is_red(run: dict[str, Any]):
    assert run["conclusion"] == (
        "2 of 4 pairs kept every promise, 1 differed for a verified reason; "
        "red is waitress x bottle: stop: it was held for 9 s."
    )


def test_servers_stand_beside_frameworks_with_a_word_in_each_cell(run: dict[str, Any]):
    wsgi, asgi, *_ = run["tables"]

    assert wsgi["columns"] == ["server", "flask", "bottle"]
    assert wsgi["rows"] == [["gunicorn", "pass", ""], ["waitress", "differs", "fail"]]
    assert asgi["rows"] == [["uvicorn", "pass"]]


def test_costs_are_ratios_to_the_default_server_under_the_same_framework(run: dict[str, Any]):
    assert run["figures"]["ratios"]["waitress x flask"] == {"cpu": 1.5, "memory": 1.0}
    assert run["figures"]["ratios"]["gunicorn x flask"] == {"cpu": 1.0, "memory": 1.0}
    (costs,) = (each for each in run["tables"] if each["title"].startswith("WSGI: what does it cost"))
    assert costs["rows"][1] == ["waitress", "flask", "300 µs", "1.50", "32 MiB", "1.00", "1.3 s", "0 s"]


def test_a_rate_that_was_not_equal_makes_the_figures_suspect(run: dict[str, Any]):
    assert run["verdict"]["word"] == "suspect"
    assert "uvicorn x fastapi" in run["verdict"]["reasons"][0]


def test_the_page_says_every_word_with_its_colour_and_every_reason(run: dict[str, Any]):
    text = render.page(run)

    for badge in ('badge good"><span aria-hidden="true">✓</span> pass', 'badge doubtful"><span aria-hidden="true">!</span> differs',
                  'badge bad"><span aria-hidden="true">✕</span> fail'):  # fmt: skip
        assert badge in text
    assert "reads it whole" in text and "stop: it was held for 9 s" in text
    assert "http://" not in text.replace("http://www.w3.org", "")


def test_the_document_has_a_line_for_each_server_and_each_framework(tmp_path: Path):
    figures = FIGURES | {"cpu_us": 300}
    checks = {"contract": PASS, "websockets": DIFFERS, "stop": PASS}
    cells = (
        Cell(
            "gunicorn",
            "flask",
            "wsgi",
            figures=FIGURES,
            checks={"stop": PASS},
            versions={"gunicorn": "27", "flask": "3"},
        ),
        Cell("granian", "flask", "wsgi", DIFFERS, figures=figures, checks={"stop": PASS}),
        Cell("granian", "fastapi", "asgi", FAIL, checks=checks, reasons=["cuts sockets"], faults=["stop: it hangs"]),
    )
    lines = document.page(matrix(tmp_path, *cells), {"gunicorn": "0 of 1,200"}).splitlines()

    assert "| `gunicorn` | 27 | pass | - | yes | - | - | - | pass | 0 of 1,200 | 1.00 | 1.00 |" in lines
    assert "| `granian` | - | differs | fail | yes | yes | - | differs | pass | - | 1.50 | 1.00 |" in lines
    assert "| `flask` | 3 | WSGI | 2 | differs |" in lines
    assert "| granian | fastapi | cuts sockets |" in lines


def test_what_a_server_loses_is_the_sum_of_all_operations_that_may_lose_nothing():
    table = markdown.table(("server", "operation", "requests", "lost GET", "lost POST"), [
        ("granian (flask)", "reload", "2,000", "1", "2"), ("granian (fastapi)", "restart", "1,000", "0", "4"),
        ("granian (flask)", "SIGKILL", "1,000", "0", "9"), ("uvicorn", "reload", "500", "0", "0"), ("daphne", "reload", "0", "0", "0"),
    ], words=2)  # fmt: skip
    page = f"# Lost\n\n{table}\n\n| server | of another table |\n"

    assert document.losses(page) == {"granian": "7 of 3,000", "uvicorn": "0 of 500"}


def test_the_page_in_docs_has_every_server_and_every_framework():
    """A new line of the launcher's table asks for another whole run."""
    named = re.findall(r"^\| `([\w-]+)` \|", document.DOCUMENT.read_text(), re.MULTILINE)

    assert set(named) == {*SERVERS, *APPLICATIONS}


def test_the_page_in_docs_says_what_the_next_one_will_say():
    written = document.DOCUMENT.read_text()
    said = [part.strip() for part in re.split(r"\{\w+\}", document.PAGE)]

    assert [part for part in said if part not in written] == []


def test_the_page_in_docs_says_what_the_whole_stack_is_held_to():
    assert document.in_the_stack() in document.DOCUMENT.read_text()


def test_it_can_be_written_and_read_again(tmp_path: Path):
    kept = matrix(tmp_path, Cell("gunicorn", "flask", "wsgi", figures=FIGURES))
    kept.save()
    told = json.loads((tmp_path / store.FILE).read_text())

    assert told["ratios"] == {"gunicorn x flask": {"cpu": 1.0, "memory": 1.0}}
    assert store.read(tmp_path, told) == kept


def test_nothing_of_another_stack_reaches_a_pair(monkeypatch: pytest.MonkeyPatch):
    for name, value in {"FLASK_SERVER": "uwsgi", "WEB_CONCURRENCY": "9", "DATABASE_URL": "postgresql://real"}.items():
        monkeypatch.setenv(name, value)
    environ = boot.environment(OTHER, "/counters")

    assert environ["SERVER"] == "waitress" and "FLASK_SERVER" not in environ
    assert environ["WEB_CONCURRENCY"] == "1" and environ["DATABASE_URL"] == boot.NOBODY
