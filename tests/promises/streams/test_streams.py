"""Lines, events and sockets through the edge, over every protocol: see promise.md."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import httpx
import pytest
from websockets.exceptions import ConnectionClosed

from deploy.ports import free_port
from tests import tls
from tests.config.edge import Outside, Running
from tests.contract import ASGI, NAMES
from tests.promises.behind import upstreams  # noqa: F401
from tests.sockets import opened, read
from tests.sse import Events

PROTOCOLS = {"HTTP/1.1": ("http", False), "HTTPS": ("https", False), "HTTP/2": ("https", True)}
ENCODINGS = ("identity", "gzip")
# (!) What neither compression nor a record of TLS holds back, nginx sends on at once, whatever it is told.
HELD_BACK = [("HTTP/1.1", "gzip"), ("HTTPS", "identity"), ("HTTPS", "gzip"), ("HTTP/2", "gzip")]
HARDEST = [("HTTPS", "identity"), ("HTTP/2", "gzip")]
CHUNKS, GAP_MS = 4, 100
SILENCE = 1.5  # longer than an edge "in a hurry" waits for an answer, 1 s


@contextmanager
def client(front: Outside, protocol: str, seconds: float = 10) -> Iterator[httpx.Client]:
    scheme, http2 = PROTOCOLS[protocol]
    host, port = {"http": front.address, "https": front.tls}[scheme]
    limits = httpx.Limits(max_connections=1 if http2 else 10)
    with httpx.Client(
        base_url=f"{scheme}://{host}:{port}",
        http1=not http2,
        http2=http2,
        verify=tls.context(),
        limits=limits,
        timeout=seconds,
    ) as made:
        yield made


@contextmanager
def listening(http: httpx.Client, service: str) -> Iterator[Events]:
    with http.stream("GET", f"/{service}/events") as answer:
        assert (answer.status_code, answer.http_version) == (200, "HTTP/2" if http2(http) else "HTTP/1.1")
        events = Events(answer)
        events.block()
        yield events


def http2(http: httpx.Client) -> bool:
    return http.get("/healthz").http_version == "HTTP/2"


def say(http: httpx.Client, service: str, text: str) -> int:
    answer = http.post(f"/{service}/messages", json={"author": "ada", "text": text})
    assert answer.status_code == 201, answer.text
    return answer.json()["id"]


def lines_arrive_as_they_are_made(front: Outside, protocol: str, service: str, encoding: str) -> None:
    with client(front, protocol) as http:
        url = f"/{service}/stream?chunks={CHUNKS}&ms={GAP_MS}"
        with http.stream("GET", url, headers={"Accept-Encoding": encoding}) as answer:
            arrivals = [(line, time.monotonic()) for line in answer.iter_lines()]

    assert [line for line, _ in arrivals] == [f'{{"chunk":{n}}}' for n in range(CHUNKS)]
    assert arrivals[-1][1] - arrivals[0][1] > (CHUNKS - 2) * GAP_MS / 1000, "they came all at once"


@pytest.mark.parametrize(("protocol", "encoding"), HARDEST)
@pytest.mark.parametrize("service", NAMES)
def test_lines_arrive_as_they_are_made(front: Outside, protocol: str, service: str, encoding: str) -> None:
    lines_arrive_as_they_are_made(front, protocol, service, encoding)


@pytest.mark.full
@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("service", NAMES)
def test_lines_arrive_so_over_every_protocol(front: Outside, protocol: str, service: str, encoding: str) -> None:
    lines_arrive_as_they_are_made(front, protocol, service, encoding)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("service", ASGI)
def test_an_event_arrives_before_the_next_is_made(front: Outside, protocol: str, service: str) -> None:
    with client(front, protocol) as http, listening(http, service) as events:
        for number in range(3):
            stored = say(http, service, f"event {number}")

            assert int(events.next().id) == stored


def test_streams_and_a_post_share_a_connection_of_http_2(front: Outside) -> None:
    with client(front, "HTTP/2") as http, listening(http, ASGI[0]) as one, listening(http, ASGI[1]) as other:
        stored = say(http, "flask", "to both")

        assert (int(one.next().id), int(other.next().id)) == (stored, stored)


@pytest.mark.parametrize("service", ASGI)
def test_a_websocket_works_over_tls(front: Outside, service: str) -> None:
    base = "wss://{}:{}/{}".format(*front.tls, service)
    with opened(base + "/ws/echo") as socket:
        for message in ("hello", b"\x00\xff", "x" * 70_000):
            socket.send(message)
            assert socket.recv(timeout=10) == message
    with opened(base + "/ws/chat") as socket, client(front, "HTTP/2") as http:
        stored = say(http, "django", "over TLS")
        assert read(socket)["id"] == stored


def silence_is_endured(front: Outside, service: str) -> None:
    """A stream and a socket outlast what an answer may take."""
    url = "ws://{}:{}/{}/ws/echo".format(*front.address, service)
    with client(front, "HTTP/2") as http, listening(http, service) as events, opened(url) as socket:
        with suppress(TimeoutError):
            socket.recv(timeout=SILENCE)
        stored = say(http, service, "after a while")
        assert events.next().id == str(stored)
        socket.send("still there?")
        assert socket.recv(timeout=5) == "still there?"


def endures(edge_: Running, service: str) -> None:
    try:
        silence_is_endured(edge_, service)
    except (AttributeError, ConnectionClosed, httpx.TransportError) as cut:
        raise AssertionError("a silent connection was cut") from cut


@pytest.fixture
def edge_with_tls(mutated, upstreams) -> Callable:  # noqa: F811
    return lambda *words: mutated(*words, upstreams=upstreams, listen_tls=(f"127.0.0.1:{free_port()}",))


@pytest.mark.full
@pytest.mark.parametrize("service", ASGI)
def test_silent_streams_and_sockets_are_not_cut(edge_with_tls: Callable, service: str) -> None:
    with edge_with_tls() as edge_:
        endures(edge_, service)
        for encoding in ENCODINGS:
            lines_arrive_as_they_are_made(edge_, "HTTP/2", service, encoding)


@pytest.mark.full
@pytest.mark.parametrize("service", ASGI)
def test_an_edge_that_cuts_them_is_caught(edge_with_tls: Callable, service: str) -> None:
    mutation = ("snippets/long-lived.conf", "proxy_read_timeout 1h;", "proxy_read_timeout 1s;")
    with edge_with_tls(*mutation) as edge_, pytest.raises(AssertionError):
        endures(edge_, service)


@pytest.mark.full
@pytest.mark.parametrize(("protocol", "encoding"), HELD_BACK)
@pytest.mark.parametrize("service", NAMES)
def test_an_edge_that_buffers_is_caught(edge_with_tls: Callable, protocol: str, encoding: str, service: str) -> None:
    ignoring = "proxy_redirect off; proxy_ignore_headers X-Accel-Buffering;"
    with edge_with_tls("snippets/proxy.conf", "proxy_redirect off;", ignoring) as edge_, pytest.raises(AssertionError):
        lines_arrive_as_they_are_made(edge_, protocol, service, encoding)
