"""A stack of its own whose edge speaks HTTP/2 to every server: the core of the contract, and a stop under load."""

import signal
import time
from collections.abc import Iterator

import httpx
import pytest

from tests import engine, processes
from tests.apps import App
from tests.contract import SERVICES
from tests.engine import Stack
from tests.load import Load, echo, get
from tests.sockets import opened
from tests.stack.test_answers import *  # noqa: F403
from tests.stack.test_echo import *  # noqa: F403
from tests.stack.test_streams import *  # noqa: F403
from tests.stack.test_uploads import *  # noqa: F403
from tests.waiting import until

pytestmark = [pytest.mark.full, pytest.mark.own_stack, pytest.mark.timeout(240)]
# docs/edge.md has the counts.
HANGS = "a WSGI worker may hang in Granian's own threads until it is killed, with the requests it has"
STOPS = 3


@pytest.fixture(scope="module")
def stack(stack: Stack) -> Iterator[Stack]:
    if stack.engine != "native":
        pytest.skip("starts a stack of the native engine")
    other = engine.elsewhere(stack, SERVER="granian", UPSTREAM_HTTP2="1")
    engine.check_out(other)
    try:
        answer = other.ponte("up", seconds=engine.UP_SECONDS)
        if answer.returncode == 3 and "1.29.7" in answer.stderr:
            pytest.skip(answer.stderr)
        assert answer.returncode == 0, answer.stderr
        yield other
    finally:
        engine.remove(other)


@pytest.fixture(scope="module")
def apps(stack: Stack, http: httpx.Client) -> dict[str, App]:
    return {name: App(service, http, f"{stack.url}/{name}") for name, service in SERVICES.items()}


def test_websockets_and_event_streams_are_open_beside_it(asgi_app: App):
    for _ in range(3):  # among connections that are kept
        asgi_app.get("/json")
        with opened(asgi_app.ws + "/ws/echo") as socket:
            socket.send("text")
            assert socket.recv(timeout=5) == "text"


def test_a_replica_that_stops_loses_no_post(app: App, stack: Stack):
    """GOAWAY comes first, and what was sent before it was read is served."""
    if not app.is_asgi:
        pytest.skip(HANGS)
    for _ in range(STOPS):
        until(lambda: all(row["ready"] for row in stack.replicas(app.name)), seconds=40, every=0.2)
        with Load([get(f"{app.base}/json"), *[echo(app.base)] * 4]) as load:
            time.sleep(1)  # connections are kept by then
            processes.send(stack.replicas(app.name)[0], stack.engine, signal.SIGTERM)
            answer = app.get("/wait?ms=1500")
        assert answer.status_code == 200
        assert not load.lost, load.told(stack.logs("nginx"))
        assert load.answers
