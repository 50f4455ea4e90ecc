"""SIGTERM to one replica, without an edge in front: see promise.md."""

import contextlib
import os
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deploy.ports import free_port
from tests.contract import ROOT
from tests.waiting import until
from tests.wire import connection, headers, read_all, read_until, request, statuses

DEFAULTS = [
    ("flask", 2),
    ("fastapi", 2),
    pytest.param("flask", 1, marks=pytest.mark.full),
    pytest.param("fastapi", 1, marks=pytest.mark.full),
]
# What the launcher starts -> what it would start without our mend.
STOCK = {
    "serve.gthread.DrainingWorker": "gthread",
    "serve.uvicorn": "uvicorn",
    "python:serve.gunicorn": "python:gunicorn.errors",
}
LOSING = [("flask", 2), ("fastapi", 2)]
POST = request("POST /echo HTTP/1.1", "Content-Length: 2", body=b"hi")
SLOW_MS = 1500
HANDSHAKE_SECONDS = 0.1  # on this machine
FAIL_TIMEOUT_SECONDS = 2  # of the edge: deploy/edge.py
ANSWERED_SECONDS = 35  # longer than any request may take


class Replica:
    def __init__(self, service: str, workers: int, mends: bool, folder: Path) -> None:
        self.port = free_port()
        apps = ROOT / "apps"
        environ = {**os.environ, "WEB_CONCURRENCY": str(workers), "SERVICE": service, "REPLICA": service}
        environ |= {"PYTHONPATH": f"{apps}:{apps / service}"}
        check = [sys.executable, "-m", "serve", service, "--check", "--port", str(self.port)]
        words = shlex.split(subprocess.run(check, env=environ, capture_output=True, text=True, check=True).stdout)
        self.log = (folder / "log").open("w+")
        command = words if mends else [STOCK.get(word, word) for word in words]
        self.process = subprocess.Popen(command, env=environ, cwd=apps, stdout=self.log, stderr=self.log)
        until(lambda: self.ask(request("GET /healthz HTTP/1.1")) == "200", 20)

    def ask(self, message: bytes) -> str:
        """'200', 'refused' when nothing let us in, or 'lost' and how: let in and not answered."""
        try:
            connection = socket.create_connection(("127.0.0.1", self.port), ANSWERED_SECONDS)
        except OSError:
            return "refused"
        if connection.getsockname() == connection.getpeername():  # (!) nobody listens, and TCP has met itself
            connection.close()
            return "refused"
        with connection:
            try:
                connection.sendall(message)
                answer = read_all(connection)
            except OSError as error:
                return f"lost: {error!r}"
        return str((statuses(answer) or [f"lost: {answer!r}"])[0])

    def lets_in(self) -> bool:
        """(!) One that stops is silent first, and refuses from then on: nobody waits for that here."""
        with socket.socket() as sock:
            sock.settimeout(HANDSHAKE_SECONDS)
            return sock.connect_ex(("127.0.0.1", self.port)) == 0

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.log.close()


def outcomes_of_a_stop(replica: Replica) -> Counter[str]:
    """What became of every POST sent around SIGTERM, by several clients, while a slow GET was being served."""
    outcomes: Counter[str] = Counter()
    slow: list[str] = []
    waiting = threading.Thread(target=lambda: slow.append(replica.ask(request(f"GET /wait?ms={SLOW_MS} HTTP/1.1"))))
    clients = [threading.Thread(target=hammer, args=(replica, outcomes)) for _ in range(4)]
    for thread in [waiting, *clients]:
        thread.start()
    until(lambda: outcomes["200"] > 20)
    replica.process.send_signal(signal.SIGTERM)
    for thread in [waiting, *clients]:
        thread.join()
    outcomes["slow " + slow[0]] += 1
    return outcomes


def lost(outcomes: Counter[str]) -> int:
    return sum(count for outcome, count in outcomes.items() if outcome.startswith("lost"))


def hammer(replica: Replica, outcomes: Counter[str]) -> None:
    """Until the replica has been refusing for a second, longer than its slow request lasts."""
    end = time.monotonic() + 20
    refused_since = None
    while time.monotonic() < end and (refused_since is None or time.monotonic() - refused_since < SLOW_MS / 1000 + 1):
        outcome = replica.ask(POST)
        outcomes[outcome] += 1
        refused_since = (refused_since or time.monotonic()) if outcome == "refused" else None
        time.sleep(0.002)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[str, int, bool], Replica]]:
    with contextlib.ExitStack() as stack:

        def make(service: str, workers: int, mends: bool) -> Replica:
            replica = Replica(service, workers, mends, tmp_path)
            stack.callback(replica.end)
            return replica

        yield make


@pytest.mark.parametrize(("service", "workers"), DEFAULTS)
def test_nobody_is_let_in_and_then_reset(start, service: str, workers: int) -> None:
    outcomes = outcomes_of_a_stop(start(service, workers, True))

    assert lost(outcomes) == 0, outcomes
    assert outcomes["slow 200"] == 1 and outcomes["refused"] > 0, outcomes


@pytest.mark.full
@pytest.mark.parametrize(("service", "workers"), LOSING)
def test_without_the_mend_somebody_is(start, service: str, workers: int) -> None:
    outcomes = outcomes_of_a_stop(start(service, workers, False))

    assert lost(outcomes) > 0, outcomes


@pytest.mark.parametrize("service", ["flask", "fastapi"])
def test_a_request_on_an_idle_connection_is_answered_and_is_its_last(start, service: str) -> None:
    replica = start(service, 1, True)
    with connection(("127.0.0.1", replica.port)) as idle:
        idle.sendall(b"GET /json HTTP/1.1\r\nHost: localhost\r\n\r\n")
        read_until(idle, b"World!")
        replica.process.send_signal(signal.SIGTERM)
        until(lambda: not replica.lets_in())
        idle.sendall(b"GET /json HTTP/1.1\r\nHost: localhost\r\n\r\n")
        late = read_all(idle)

    assert statuses(late) == [200]
    assert headers(late)["connection"] == "close"


@pytest.mark.parametrize("service", ["flask", "fastapi"])
def test_the_idle_connection_that_the_edge_would_take_next_is_closed_last(start, service: str) -> None:
    replica = start(service, 1, True)
    with connection(("127.0.0.1", replica.port)) as unused, connection(("127.0.0.1", replica.port)) as used:
        for kept, target in ((unused, "/plaintext"), (used, f"/wait?ms={SLOW_MS}")):
            kept.sendall(f"GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            assert statuses(read_until(kept, b"!" if kept is unused else b"}")) == [200]
        replica.process.send_signal(signal.SIGTERM)
        assert not read_all(unused)
        used.sendall(POST)
        late = read_all(used)

    assert statuses(late) == [200]
    assert headers(late)["connection"] == "close"


@pytest.mark.parametrize("service", ["flask", "fastapi"])
def test_an_answer_that_was_being_made_is_the_last_of_its_connection(start, service: str) -> None:
    replica = start(service, 1, True)
    with connection(("127.0.0.1", replica.port)) as kept:
        kept.sendall(f"GET /wait?ms={SLOW_MS} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        replica.process.send_signal(signal.SIGTERM)
        answer = read_all(kept)

    assert statuses(answer) == [200]
    assert headers(answer)["connection"] == "close"


@pytest.mark.parametrize("service", ["flask", pytest.param("fastapi", marks=pytest.mark.full)])
def test_the_connection_of_an_answer_begun_before_is_closed_while_the_edge_stays_away(start, service: str) -> None:
    """Its head has promised to keep it."""
    replica = start(service, 1, True)
    with connection(("127.0.0.1", replica.port)) as kept:
        kept.sendall(b"GET /stream?chunks=4&ms=200 HTTP/1.1\r\nHost: localhost\r\n\r\n")
        read_until(kept, b'{"chunk":0}')
        replica.process.send_signal(signal.SIGTERM)
        read_until(kept, b"\r\n0\r\n\r\n")
        ended = time.monotonic()
        assert not read_all(kept)

    assert time.monotonic() - ended < FAIL_TIMEOUT_SECONDS


def test_workers_whose_master_was_killed_close_the_port(start) -> None:
    replica = start("flask", 2, True)
    replica.process.kill()

    until(lambda: replica.ask(POST) == "refused")
