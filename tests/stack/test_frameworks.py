"""The frameworks of the matrix, each with its own server on its own port: what needs a socket, and no edge."""

import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from functools import cache

import httpx
import pytest

from tests.apps import App, quickly
from tests.contract import FRAMEWORKS, MIB, assert_error
from tests.servers import Lone, replica
from tests.sockets import code_of_close, opened
from tests.sse import listen
from tests.stack.test_events import (
    test_a_last_event_id_that_is_no_id_is_422,  # noqa: F401
    test_a_quiet_stream_has_a_comment_every_15_seconds,  # noqa: F401
    test_a_stream_begins_with_retry_and_is_not_kept_by_anybody,  # noqa: F401
    test_wsgi_says_why_it_has_no_events,  # noqa: F401
)
from tests.stack.test_forwarded import test_a_path_that_is_no_text_is_404  # noqa: F401
from tests.stack.test_streams import (
    test_a_stream_has_no_length,  # noqa: F401
    test_a_thousand_lines_arrive_in_order,  # noqa: F401
    test_lines_arrive_as_they_are_made,  # noqa: F401
)
from tests.stack.test_websockets import (
    test_a_client_that_vanishes_does_not_harm_the_next,  # noqa: F401
    test_a_fragmented_message_comes_back_whole,  # noqa: F401
    test_a_handshake_elsewhere_is_404,  # noqa: F401
    test_a_message_of_one_mebibyte_is_echoed_and_one_byte_more_closes_with_1009,  # noqa: F401
    test_echo_gives_back_text_and_bytes_as_what_they_were,  # noqa: F401
    test_echo_keeps_the_order,  # noqa: F401
    test_the_answer_to_the_handshake_says_who_gave_it,  # noqa: F401
)

WSGI = [name for name, about in FRAMEWORKS.items() if about.interface == "wsgi"]
ASGI = [name for name, about in FRAMEWORKS.items() if about.interface == "asgi"]
Started = Callable[[str], Lone]


@pytest.fixture(autouse=True, scope="module")
def once(request: pytest.FixtureRequest) -> None:
    if request.config.getoption("--engine") != "native":
        pytest.skip("needs no containers; runs with --engine native")


def alone(name: str) -> AbstractContextManager[Lone]:
    """One replica, without a database and without a secret."""
    return replica(name, FRAMEWORKS[name].server, DATABASE_URL="", SECRET_KEY="")


@pytest.fixture(scope="module")
def started() -> Iterator[Started]:
    with ExitStack() as running:
        yield cache(lambda name: running.enter_context(alone(name)))


def client(lone: Lone, http: httpx.Client) -> App:
    return App(FRAMEWORKS[lone.service], http, lone.url)


@pytest.fixture(params=FRAMEWORKS)
def app(request: pytest.FixtureRequest, started: Started, http: httpx.Client) -> App:
    return client(started(request.param), http)


@pytest.fixture(params=WSGI)
def wsgi_app(request: pytest.FixtureRequest, started: Started, http: httpx.Client) -> App:
    return client(started(request.param), http)


@pytest.fixture(params=ASGI)
def asgi_app(request: pytest.FixtureRequest, started: Started, http: httpx.Client) -> App:
    return client(started(request.param), http)


def test_a_body_without_a_length_arrives_whole(app: App):
    parts = [b"a" * 100_000, b"", b"b"]

    assert app.post("/echo", content=iter(parts)).content == b"".join(parts)
    assert app.post("/digest", content=iter(parts)).json()["bytes"] == 100_001


def test_a_body_without_a_length_is_cut_at_its_limit(app: App):
    try:
        answer = app.post("/echo", content=(b"x" * 65_536 for _ in range(40)))
    except httpx.WriteError:  # the server closed before it had read all: RFC 9112, section 9.6
        return
    assert_error(answer, 413)


def test_an_upload_far_beyond_every_buffer_is_digested(app: App):
    assert app.post("/digest", content=bytes(20 * MIB)).json()["bytes"] == 20 * MIB


@pytest.mark.parametrize("name", FRAMEWORKS)
def test_every_line_of_the_log_is_a_json_object(name: str, started: Started):
    log = started(name).log
    log.seek(0)

    assert [line for line in log.read().splitlines() if not line.startswith((b"{", b"serve: "))] == []


@pytest.mark.parametrize("name", quickly(("bare-asgi",), ASGI))
def test_a_stop_ends_events_and_websockets_at_once(name: str):
    with alone(name) as lone, listen(f"{lone.url}/events") as events, opened(f"ws{lone.url[4:]}/ws/echo") as socket:
        lone.process.terminate()

        assert events.rest() == "ended"
        assert code_of_close(socket) == 1012
        assert ends(lone) == -signal.SIGTERM  # Uvicorn has shut down, and then ends by the signal it was sent


def ends(lone: Lone) -> int | None:
    try:
        return lone.process.wait(20)
    except subprocess.TimeoutExpired:
        return None
