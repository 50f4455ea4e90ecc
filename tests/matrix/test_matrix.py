"""`./ponte matrix` for real: pairs that keep everything, and pairs that cannot."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.contract import ROOT
from tests.matrix import boot, sockets
from tests.matrix.cells import CHECKS, measured
from tests.matrix.findings import FAIL, PASS, Found
from tests.matrix.plan import Pair
from tests.processes import alive, family
from tests.promises.websocket_conformance.lenient import lenient
from tests.waiting import until

SECONDS = 120
pytestmark = [pytest.mark.full, pytest.mark.timeout(SECONDS)]
BARE = Pair("gunicorn", "bare-wsgi")
# Answers everything, and does not hear SIGTERM.
DEAF = """
import signal, sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"message":"Hello, World!"}')
signal.signal(signal.SIGTERM, signal.SIG_IGN)
ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


def matrix(reports: Path, *words: str) -> subprocess.Popen[str]:
    environ = {**os.environ, "PONTE_REPORTS": str(reports)}
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([str(ROOT / "ponte"), "matrix", *words], cwd=ROOT, env=environ, **streams)  # type: ignore[call-overload]


def cells(reports: Path) -> list[dict]:
    (told,) = (json.loads(path.read_text()) for path in reports.glob("*-matrix/matrix.json"))
    return told["cells"]


@pytest.mark.parametrize("pair", (("gunicorn", "bare-wsgi"), ("uvicorn", "bare-asgi")), ids="-".join)
def test_a_default_server_without_a_framework_keeps_every_promise(pair: tuple[str, str], tmp_path: Path):
    done = matrix(tmp_path, f"SERVER={pair[0]}", f"FRAMEWORK={pair[1]}")
    out, err = done.communicate(timeout=SECONDS)
    (cell,) = cells(tmp_path)

    assert done.returncode == 0, err
    assert (cell["word"], cell["faults"]) == (PASS, [])
    assert set(cell["checks"]) == set(CHECKS) - ({"websockets"} if pair[1] == "bare-wsgi" else set())
    assert cell["figures"]["cpu_us"] > 0 and cell["figures"]["memory"] > 2**20
    assert "1 of 1 pair kept every promise" in out
    (page,) = tmp_path.glob("*-matrix/index.html")
    assert pair[0] in page.read_text()
    assert page.parent.name in (tmp_path / "index.html").read_text(), "the index of the runs lists it"


def test_a_pair_that_makes_no_sense_is_red_with_the_launchers_reason(tmp_path: Path):
    done = matrix(tmp_path, "SERVER=gunicorn", "FRAMEWORK=fastapi")
    done.communicate(timeout=SECONDS)
    (cell,) = cells(tmp_path)

    assert done.returncode == 1
    assert cell["word"] == FAIL and "does not serve ASGI, which fastapi is" in cell["faults"][0]


def test_a_word_that_is_unknown_is_a_sentence_and_exit_2(tmp_path: Path):
    done = matrix(tmp_path, "SERVER=gunicron")
    _, err = done.communicate(timeout=SECONDS)

    assert done.returncode == 2
    assert re.fullmatch(r"ponte: SERVER='gunicron' is unknown; choose from gunicorn, .*", err.splitlines()[-1])
    assert not list(tmp_path.iterdir())


def test_an_interrupted_matrix_leaves_no_process_and_goes_on_where_it_was(tmp_path: Path):
    for expected in (1, 2):
        process = matrix(tmp_path, "FRAMEWORK=bare-asgi")
        until(
            lambda expected=expected: list(tmp_path.glob("*-matrix/matrix.json")) and len(cells(tmp_path)) == expected,
            60,
        )
        until(lambda process=process: len(family(process.pid)) > 1)
        everybody = family(process.pid)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=SECONDS)

        assert process.returncode == 130, err
        assert not alive(everybody)
        assert f"{6 - expected} were not measured" in out
    assert "1 of them measured already" in err
    assert [cell["server"] for cell in cells(tmp_path)][:2] == ["uvicorn", "gunicorn-asgi"]


def stub(monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    monkeypatch.setattr(boot, "command", lambda pair, port: [sys.executable, "-c", code, str(port)])


def test_a_server_that_dies_at_its_start_is_a_red_cell_with_its_last_words(
    monkeypatch: pytest.MonkeyPatch, nginx: Path
):
    stub(monkeypatch, "raise SystemExit('the licence has run out')")
    cell = measured(BARE, nginx)

    assert (cell.word, cell.faults) == (FAIL, ["it ended at its start: the licence has run out"])


def test_one_that_never_answers_is_red_in_time(monkeypatch: pytest.MonkeyPatch, nginx: Path):
    monkeypatch.setattr(boot, "START_SECONDS", 1)
    stub(monkeypatch, "import time; time.sleep(60)")
    cell = measured(BARE, nginx)

    assert (cell.word, cell.faults) == (FAIL, ["it did not answer within 1 s: it said nothing"])
    assert cell.seconds < 10


@pytest.mark.parametrize("pair", (Pair("gunicorn", "bottle"), Pair("uvicorn", "starlette")), ids=lambda pair: pair.name)
def test_an_application_that_cannot_be_imported_is_a_red_cell(
    monkeypatch: pytest.MonkeyPatch,
    nginx: Path,
    tmp_path: Path,
    pair: Pair,
):
    apps = Path(shutil.copytree(ROOT / "apps", tmp_path / "apps"))
    (apps / pair.framework / "app.py").write_text("import nothing_of_that_name\n")
    monkeypatch.setattr(boot, "APPS", apps)
    cell = measured(pair, nginx)

    assert cell.word == FAIL
    assert "nothing_of_that_name" in cell.faults[0]


def test_one_that_does_not_hear_a_stop_is_red_and_gone_all_the_same(monkeypatch: pytest.MonkeyPatch, nginx: Path):
    stub(monkeypatch, DEAF)
    seen: set[int] = set()

    def watched(running: boot.Up) -> Found:
        seen.update(family(running.process.pid))
        return CHECKS["stop"](running)

    cell = measured(BARE, nginx, {"stop": watched})

    assert cell.word == FAIL
    assert any(each.startswith("stop: the exit in time: it was held for") for each in cell.faults)
    assert "stop: the port: somebody listens there still" in cell.faults
    assert seen and not alive(seen)


def test_one_that_answers_everything_alike_is_caught(monkeypatch: pytest.MonkeyPatch, nginx: Path):
    stub(monkeypatch, DEAF)
    cell = measured(BARE, nginx, {"contract": CHECKS["contract"]})

    assert cell.word == FAIL
    assert any("every answer says who gave it" in each for each in cell.faults)


def test_a_websocket_server_that_checks_nothing_is_caught(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sockets, "CASES", {name: sockets.CASES[name] for name in ("text in one frame", "opcode 3")})
    with lenient() as address:
        running = boot.Up(Pair("uvicorn", "bare-asgi"), address, "", address, None, None)  # type: ignore[arg-type]
        found = CHECKS["websockets"](running)

    assert [each.about for each in found.findings] == ["opcode 3"]
