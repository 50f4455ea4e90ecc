"""The oracle's client behind a real nginx, on an application that loses and repeats as told."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy import edge
from deploy.errors import Failure
from deploy.native import logs
from deploy.ports import free_port
from loadtests.errors import Stop
from loadtests.oracle import Judgement, Load
from loadtests.oracle.__main__ import main
from tests import tls
from tests.config.edge import Running, copy_of_source, running
from tests.shop import Shop, shop
from tests.waiting import until

SERVICES = ("flask", "django-asgi", "fastapi")
RATE, SOCKETS = 120.0, 10
SEVERAL = 60  # requests: each case some times


@pytest.fixture(scope="module")
def binary() -> Path:
    try:
        return edge.locate(os.environ)
    except Failure as reason:
        pytest.skip(str(reason))


@pytest.fixture
def app() -> Iterator[Shop]:
    with shop() as started:
        yield started


@pytest.fixture
def front(app: Shop, binary: Path, tmp_path: Path) -> Iterator[Running]:
    """(!) A connection is good for seven requests: nginx's good-byes come all the time, as in a run of minutes."""
    source = copy_of_source(tmp_path)
    client = source / "snippets" / "client.conf"
    client.write_text(client.read_text() + "keepalive_requests 7;\n")
    members = dict.fromkeys(SERVICES, (app.address,))
    with running(tmp_path / "edge", binary, source=source, upstreams=members, listen_tls=tls.port()) as started:
        yield started


def addresses(front: Running) -> tuple[str, str]:
    assert front.tls
    return f"http://127.0.0.1:{front.address[1]}", f"https://127.0.0.1:{front.tls[1]}"


def load(front: Running, folder: Path, sockets: int = SOCKETS) -> Load:
    return Load(*addresses(front), ("flask", "fastapi"), RATE, sockets, folder=folder)


def verdict(load: Load, front: Running) -> Judgement:
    return load.verdict(logs.edge(Path(front.settings.access_log).parent, load.started))


def after(app: Shop, requests: int) -> None:
    """When so many more were answered."""
    wanted = app.requests + requests
    until(lambda: app.requests >= wanted)


def test_a_run_in_which_readers_are_sent_away_loses_nothing(app: Shop, front: Running, tmp_path: Path) -> None:
    with load(front, tmp_path / "notes") as running_:
        after(app, SEVERAL)
        running_.mark("restart")
        app.restart()
        after(app, SEVERAL)
    found = verdict(running_, front)

    assert found.clean, found.sentence() + "\n" + "\n".join(found.losses)
    assert found.requests >= 2 * SEVERAL and found.stored == found.acknowledged > SEVERAL // 2
    assert found.tallies.keys() == {
        f"{method} {kind}" for method in ("GET", "POST") for kind in ("keep-alive", "close", "http/2")
    }
    assert RATE / 2 < found.rate < RATE * 1.05  # this machine may be busy
    assert (found.listeners, found.reconnects) == (SOCKETS + 2, {"1012": SOCKETS, "ended": 2})
    assert [mark.word for mark in found.marks] == ["restart"] and 0 < found.worst < 2


def test_what_is_planted_is_found(app: Shop, front: Running, tmp_path: Path) -> None:
    with load(front, tmp_path / "notes") as running_:
        first, reader = app.writes + 10, 3
        app.copies = lambda write: {first: 0, first + 4: 2}.get(write, 1)
        after(app, SEVERAL)
        number = len(app.rows) + 10
        app.tells = lambda listener, told: {(reader, number): [], (reader + 1, number): [number, number]}.get(
            (listener, told), [told]
        )
        refused = app.requests + 10
        app.status = lambda request: 500 if request == refused else 200
        after(app, SEVERAL)
    found = verdict(running_, front)

    faults = {name: count for name, count in found.faults.items() if count and name not in ("GET lost", "POST lost")}
    assert faults == {"writes missing": 1, "rows twice": 1, "chat messages missed": 1, "repeated": 1}, found.sentence()
    assert sum(found.lost.values()) == 1 and "500 by shop/shop-1/1" in found.losses[0]
    assert running_.verdict([]).unexplained == 1
    assert not found.clean


def test_a_client_that_was_killed_is_no_run_without_losses(app: Shop, front: Running, tmp_path: Path) -> None:
    with load(front, tmp_path / "notes", sockets=0) as running_:
        after(app, 10)
        os.kill(running_.process.pid, signal.SIGKILL)

    with pytest.raises(Stop, match="ended by itself"):
        verdict(running_, front)


def test_a_stack_that_does_not_answer_is_told_in_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    where = f"http://127.0.0.1:{free_port()}"

    assert main(["--host", where, "--seconds", "1"]) == 3
    assert (
        capsys.readouterr().err
        == f"oracle: GET {where}/flask/json (keep-alive): ConnectError: All connection attempts failed; is the stack up?\n"
    )


@pytest.mark.parametrize(
    "words",
    (["--host", "localhost:8080"], ["--tls", "ftp://localhost"], ["--seconds", "0"], ["--rate", "-1"],
     ["--sockets", "-1"], ["--services", "nginx"]),
    ids=" ".join,
)  # fmt: skip
def test_a_wrong_word_is_refused_before_anything_is_sent(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)

    assert ended.value.code == 2
    assert words[1] in capsys.readouterr().err.rpartition("error: ")[2]


def test_people_get_one_sentence(app: Shop, front: Running, capsys: pytest.CaptureFixture[str]) -> None:
    where, secured = addresses(front)
    words = ["--host", where, "--tls", secured, "--seconds", "0.5", "--rate", "60", "--sockets", "2"]

    code = main([*words, "--edge-log", str(front.settings.access_log)])

    out = capsys.readouterr().out
    assert (code, out.count("\n")) == (0, 1)
    assert "0 GET lost, 0 POST lost" in out and "4 readers" in out
