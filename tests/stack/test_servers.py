"""Every server that can be chosen, alone on its own port; test_replacements.py has them in the stack.

What one cannot do stands here with its reason, and fails its test when it is no longer so.
"""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack

import httpx
import pytest

from tests import wire
from tests.apps import App
from tests.contract import SERVICES, assert_error, table
from tests.servers import PAIRS, Lone, replica
from tests.sockets import code_of_close, opened, refused
from tests.waiting import until

SERVED_BY = {"wsgi": "flask", "asgi": "fastapi"}  # the service that stands for its interface
MINE = [(service, server) for service, server in PAIRS if service in SERVED_BY.values()]
# `make matrix QUICK=1`, which CI runs, has each of them once.
LONE = [pytest.param(pair, marks=pytest.mark.full, id="-".join(pair)) for pair in MINE]

# One connection for each request.
CLOSES = ("gunicorn-sync", "uwsgi")
# In each worker: a long poll takes the place of everything else.
ONE_AT_A_TIME = ("gunicorn-sync",)
# A WSGI environment has one value for a header; Granian joins repeated ones in its own code, without the space.
JOINS_WITHOUT_SPACE = ("granian",)
# The extension websocket.http.response is not there: the refusal is a bare 403.
REFUSES_BARELY = ("daphne", "gunicorn-asgi")
# Headers that the application accepts a handshake with are not sent.
DROPS_HEADERS = ("granian",)
# It may end before the close frame has left: 2 of 8 stops. (!) A race, so this alone is no test that it is so.
MAY_CUT_SOCKETS = ("granian",)
# No event loop: a WebSocket is a request like any other, and no handshake.
NO_WEBSOCKETS = tuple(name for name, about in table()["servers"].items() if not about["websockets"])
# Waitress reads a request whole before the application sees it; mod_wsgi hands it over whole before it looks for an answer.
ANSWERS_AFTER_BODY = ("waitress", "mod_wsgi")
LONGEST_MS = 1500


@pytest.fixture(scope="module", params=LONE)
def lone(request: pytest.FixtureRequest) -> Iterator[Lone]:
    if request.config.getoption("--engine") != "native":
        pytest.skip("needs no containers; runs with --engine native")
    with replica(*request.param) as running:
        yield running


@pytest.fixture
def bare(lone: Lone, http: httpx.Client) -> App:
    return App(SERVICES[lone.service], http, lone.url)


def test_it_says_which_server_answers(bare: App, lone: Lone):
    assert bare.get("/").json()["server"] == lone.server
    assert bare.get("/plaintext").text == "Hello, World!"


def test_a_connection_is_kept(lone: Lone):
    head = b"GET /plaintext HTTP/1.1\r\nHost: localhost\r\n"
    answer = wire.exchange(("127.0.0.1", lone.port), head + b"\r\n" + head + b"Connection: close\r\n\r\n", seconds=2)

    assert wire.statuses(answer) == ([200] if lone.server in CLOSES else [200, 200])


def test_repeated_headers_are_joined(lone: Lone):
    lines = ("X-Twice: a", "X-Twice: b")
    answer = wire.exchange(("127.0.0.1", lone.port), wire.request("GET /headers HTTP/1.1", *lines), seconds=2)
    joined = b"a,b" if SERVICES[lone.service].interface == "wsgi" and lone.server in JOINS_WITHOUT_SPACE else b"a, b"

    assert b'"x-twice":"' + joined + b'"' in answer.replace(b'": "', b'":"')


def test_a_hundred_headers_of_eight_kibibytes_in_all_reach_the_application(lone: Lone):
    lines = [f"X-{number}: {'v' * 70}" for number in range(98)]
    answer = wire.exchange(("127.0.0.1", lone.port), wire.request("GET /headers HTTP/1.1", *lines), seconds=2)

    assert wire.statuses(answer) == [200]
    assert b"x-97" in answer


def test_a_body_of_chunks_is_a_body(bare: App):
    answer = bare.post("/echo", content=iter([b"a" * 70_000, b"b" * 70_000]))

    assert answer.content == b"a" * 70_000 + b"b" * 70_000


def test_a_body_that_is_too_long_is_refused_by_its_head(lone: Lone):
    if SERVICES[lone.service].interface == "asgi":
        pytest.skip("the middleware of ASGI waits for the body, so that nginx keeps the connection")
    head = b"POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10000000\r\n\r\n"
    answer = wire.exchange(("127.0.0.1", lone.port), head, seconds=1)

    assert wire.statuses(answer) == ([] if lone.server in ANSWERS_AFTER_BODY else [413])


def test_parts_of_an_answer_leave_when_they_are_made(lone: Lone):
    with httpx.stream("GET", f"{lone.url}/stream?chunks=3&ms=300") as answer:
        moments = [time.monotonic() for _ in answer.iter_raw()]

    assert moments[-1] - moments[0] > 0.4


def test_a_handshake_is_answered(bare: App, lone: Lone):
    url = bare.ws + "/ws/echo"
    if lone.server in NO_WEBSOCKETS or SERVICES[lone.service].interface == "wsgi":
        assert_error(bare.get("/ws/echo"), 501 if SERVICES[lone.service].interface == "wsgi" else 426)
        return
    with opened(url) as socket:
        assert socket.response is not None
        assert ("X-Served-By" in socket.response.headers) != (lone.server in DROPS_HEADERS)
        for payload in ("text", b"bytes", "", b""):
            socket.send(payload)
            assert socket.recv(timeout=5) == payload
    assert refused(bare.ws + "/ws/none").status_code == (403 if lone.server in REFUSES_BARELY else 404)


@pytest.mark.parametrize("pair", LONE)
def test_a_stop_finishes_the_request_in_flight_and_tells_the_sockets(pair: tuple[str, str]):
    with replica(*pair) as one, ExitStack() as opening:
        answers: list[int] = []
        slow = threading.Thread(
            target=lambda: answers.append(httpx.get(f"{one.url}/wait?ms={LONGEST_MS}", timeout=10).status_code)
        )
        slow.start()
        holds = one.server not in NO_WEBSOCKETS and SERVICES[one.service].interface == "asgi"
        socket = opening.enter_context(opened(f"{one.url.replace('http', 'ws')}/ws/echo")) if holds else None
        time.sleep(LONGEST_MS / 3000)  # the request is being served, and nothing tells it
        one.process.send_signal(signal.SIGTERM)

        code = code_of_close(socket, 5) if socket else 1012
        assert code == 1012 or (code == 1006 and one.server in MAY_CUT_SOCKETS)
        slow.join()
        assert answers == [200]
        assert one.process.wait(10) in (0, -signal.SIGTERM)
        until(lambda: not refused_port(one))


def refused_port(one: Lone) -> bool:
    """Whether somebody listens there still."""
    try:
        httpx.get(one.url, timeout=1)
    except httpx.ConnectError:
        return False
    return True
