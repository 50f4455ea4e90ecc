"""What the draining worker sends: an answer is on its way whole, or not at all. Whom it hangs up on: nobody who asked.

Whom a thread stays with: a connection that asks often, while nobody waits for it.
"""

import os
import selectors
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
from gunicorn.config import Config
from gunicorn.http import wsgi
from serve import gthread

from deploy.ports import free_port
from tests import wire
from tests.contract import ROOT
from tests.processes import listens
from tests.waiting import until

HEAD_END = b"\r\n\r\n"
THREADS = 2
# Answers how often a connection has been given to a thread; threads stay for longer than any test lasts.
STAYING = """
from serve import gthread

gthread.STAY_SECONDS = 600
given = 0


class Worker(gthread.DrainingWorker):
    def enqueue_req(self, conn):
        global given
        given += 1
        super().enqueue_req(conn)


def app(environ, start_response):
    body = str(given).encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
"""


class Sends(list[bytes]):
    sendall = list.append


def begun(method: str, headers: list[tuple[str, str]]) -> tuple[wsgi.Response, Sends]:
    sent = Sends()
    request = SimpleNamespace(method=method, version=(1, 1), should_close=lambda: False)
    response = wsgi.Response(request, sent, Config())
    response.start_response("200 OK", headers)
    return response, sent


def sends(method: str, headers: list[tuple[str, str]], *parts: bytes) -> Sends:
    """Each send of the answer that an application makes of these parts."""
    response, sent = begun(method, headers)
    for part in parts:
        response.write(part)
    response.close()
    return sent


def test_gunicorn_makes_its_answers_with_it() -> None:
    assert wsgi.Response is gthread.WholeResponse


def test_head_and_body_are_one_send() -> None:
    (only,) = sends("GET", [("Content-Length", "5")], b"hello")

    assert only.startswith(b"HTTP/1.1 200 OK\r\n")
    assert only.endswith(HEAD_END + b"hello")


@pytest.mark.parametrize(("method", "parts"), [("HEAD", (b"hello",)), ("GET", ())])
def test_an_answer_without_a_body_is_one_send(method: str, parts: tuple[bytes, ...]) -> None:
    (only,) = sends(method, [("Content-Length", "0")], *parts)

    assert only.endswith(HEAD_END)


def test_a_stream_goes_on_part_by_part() -> None:
    first, *others = sends("GET", [], b"one", b"two")

    assert first.endswith(HEAD_END + b"3\r\none\r\n")
    assert others == [b"3\r\ntwo\r\n", b"0\r\n\r\n"]


def test_an_application_that_yields_no_bytes_has_sent_nothing() -> None:
    """The edge says 502, where a head alone would be a success cut short."""
    response, sent = begun("GET", [])
    with pytest.raises(TypeError):
        response.write("text")

    assert not sent


@pytest.mark.parametrize("asked", [True, False])
def test_an_idle_connection_whose_time_is_over_is_closed_unless_a_request_has_come(asked: bool) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs, selectors.DefaultSelector() as poller:
        worker = object.__new__(gthread.DrainingWorker)
        idle = SimpleNamespace(sock=ours, timeout=0, close=ours.close)
        served: list[SimpleNamespace] = []
        vars(worker).update(
            alive=False, poller=poller, nr_conns=1, keepalived_conns=deque([idle]), enqueue_req=served.append
        )
        poller.register(ours, selectors.EVENT_READ, partial(worker.on_client_socket_readable, idle))
        if asked:
            theirs.sendall(b"GET / HTTP/1.1")
        worker.murder_keepalived()

        assert (served, ours.fileno() < 0, worker.nr_conns) == (([idle], False, 1) if asked else ([], True, 0))


@pytest.fixture
def staying(tmp_path: Path) -> Iterator[wire.Address]:
    (tmp_path / "staying.py").write_text(STAYING)
    address = ("127.0.0.1", free_port())
    words = ("--worker-class", "staying.Worker", "--threads", str(THREADS), "--bind", "{}:{}".format(*address))
    words = (*words, "--keep-alive", "600", "--graceful-timeout", "1", "--no-control-socket", "staying:app")
    environ = {**os.environ, "PYTHONPATH": f"{tmp_path}:{ROOT / 'apps'}"}
    with subprocess.Popen(
        [sys.executable, "-m", "gunicorn", *words], env=environ, stderr=subprocess.DEVNULL
    ) as process:
        try:
            until(lambda: listens(address))
            yield address
        finally:
            process.terminate()


def answer(sock: socket.socket) -> int:
    sock.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    return int(wire.read_until(sock, HEAD_END).partition(HEAD_END)[2] or sock.recv(9))


def test_a_thread_stays_with_a_connection_that_asks_often(staying: wire.Address) -> None:
    with wire.connection(staying) as sock:
        first, *others = [answer(sock) for _ in range(20)]

    assert set(others) == {first + 1}


def test_a_thread_leaves_its_connection_for_those_that_wait_for_one(staying: wire.Address) -> None:
    with ExitStack() as stack:
        connections = [stack.enter_context(wire.connection(staying)) for _ in range(3 * THREADS)]

        assert all(answer(each) for _ in range(3) for each in connections)
