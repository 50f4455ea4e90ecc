"""What the draining worker sends: an answer is on its way whole, or not at all. Whom it hangs up on: nobody who asked."""

import selectors
import socket
from collections import deque
from functools import partial
from types import SimpleNamespace

import pytest
from gunicorn.config import Config
from gunicorn.http import wsgi
from serve import gthread

HEAD_END = b"\r\n\r\n"


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
