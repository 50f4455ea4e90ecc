"""Protocols that a client would like to change to: see promise.md."""

import pytest

from tests import wire
from tests.config.edge import Answer, Outside, Running
from tests.contract import ASGI, NAMES
from tests.promises.conftest import Mutated

STUBS = ("flask", "fastapi")
PATHS = ("/headers", "/events", "/ws/echo")
OTHERS = ("h2c", "H2C", "TLS/1.0", "websocket, h2c", "h2c, websocket", "websocket/13", "websockets", "foo", "HTTP/2.0")
SETTINGS = "HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA"
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
EMPTY_SETTINGS = b"\0\0\0\4\0\0\0\0\0"
GET_HEADERS = b"\0\0\x10\1\5\0\0\0\1" + b"\x82\x86\x84\x41\x09localhost\x40"  # whatever it says, nobody is to read it


def holds(front: Outside, services: tuple[str, ...] = STUBS, paths: tuple[str, ...] = PATHS) -> None:
    for service in services:
        for path in paths:
            for word in OTHERS:
                assert_plain(front, f"/{service}{path}", word)
    assert_no_prior_knowledge(front)


def assert_plain(front: Outside, path: str, word: str) -> None:
    """Answered as if nobody had asked for another protocol: no word of it reaches the application."""
    request = wire.request(f"GET {path} HTTP/1.1", f"Upgrade: {word}", SETTINGS)
    request = request.replace(b"Connection: close", b"Connection: close, Upgrade, HTTP2-Settings")
    answer = Answer(front.raw(request))
    seen = answer.json["headers"] if answer.status == 200 else {}
    told = seen if isinstance(seen, dict) else answer.seen

    assert wire.statuses(answer.raw) == [200], (word, answer.raw)
    assert not told.get("upgrade") and not told.get("connection"), (word, told)


def assert_no_prior_knowledge(front: Outside) -> None:
    """HTTP/2 needs TLS: on the plain port its preface is a broken request of HTTP/1."""
    received = front.raw(PREFACE + EMPTY_SETTINGS + GET_HEADERS)

    assert received.startswith((b"HTTP/1.1 400", b"HTTP/1.1 505")), received
    assert len(wire.statuses(received)) == 1


@pytest.mark.parametrize("service", NAMES)
def test_nothing_but_a_websocket_is_upgraded(front: Outside, service: str) -> None:
    holds(front, (service,), ("/headers",))


@pytest.mark.parametrize("service", ASGI)
def test_another_word_where_a_websocket_answers_is_426(front: Outside, service: str) -> None:
    for word in OTHERS:
        answer = front.ask(f"/{service}/ws/echo", f"Upgrade: {word}", "Sec-WebSocket-Version: 13")
        assert (word, answer.status) == (word, 426)


@pytest.mark.parametrize("asked", ["websocket", "WebSocket"])
def test_a_websocket_is(stubbed: Running, asked: str) -> None:
    seen = stubbed.ask("/fastapi/ws/echo", f"Upgrade: {asked}").seen

    assert (seen["upgrade"], seen["connection"]) == ("websocket", "upgrade")


def test_the_edge_before_stubs_keeps_it(stubbed: Running) -> None:
    holds(stubbed)


EVERY_WORD = 'map $http_upgrade $upgrade_connection {\n    default   upgrade;\n    ""        "";'
MUTATIONS = [
    ("snippets/websocket.conf", 'default   "";\n    websocket $upgrade_in_http1;', "default   $http_upgrade;"),
    ("snippets/websocket.conf", 'map $upgrade_to $upgrade_connection {\n    default   "";', EVERY_WORD),
    ("snippets/proxy.conf", "Upgrade    $upgrade_to;", "Upgrade    $http_upgrade;"),
    ("snippets/proxy.conf", "Connection $upgrade_connection;", "Connection $http_connection;"),
    ("nginx.conf", "sendfile on;", "sendfile on;\nhttp2 on;"),
]


@pytest.mark.full
@pytest.mark.parametrize(("file", "good", "bad"), MUTATIONS)
def test_an_edge_that_passes_the_word_on_is_caught(mutated: Mutated, file: str, good: str, bad: str) -> None:
    with mutated(file, good, bad) as edge_, pytest.raises(AssertionError):
        holds(edge_)
