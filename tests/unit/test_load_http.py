"""The load generator's HTTP client: one request, one answer or a reason, never a second try."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

pytest.importorskip("gevent", reason="needs loadtests/requirements.txt")

from deploy.ports import free_port
from loadtests.users.http import Connections, NoAnswer, exchange

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
REQUEST = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


class Server:
    """Answers the n-th request of all connections with the n-th list of pieces; an empty list closes."""

    def __init__(self, answers: list[list[bytes]]):
        self.answers, self.requests, self.connections = answers, 0, 0
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self) -> None:
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection: socket.socket) -> None:
        with connection:
            while connection.recv(65536):
                pieces = self.answers[min(self.requests, len(self.answers) - 1)]
                self.requests += 1
                for piece in pieces:
                    connection.sendall(piece)
                if not pieces or pieces[-1].endswith(b"<close>"):
                    return


@contextmanager
def serving(*answers: list[bytes]) -> Iterator[tuple[Server, Connections]]:
    server = Server(list(answers))
    connections = Connections(server.url)
    yield server, connections
    connections.close()
    server.socket.close()


def test_a_connection_is_kept_and_used_again():
    with serving([OK]) as (server, connections):
        bodies = [exchange(connections, "GET", REQUEST).body for _ in range(5)]

    assert bodies == [b"ok"] * 5
    assert server.connections == 1


def test_a_request_whose_connection_dies_is_not_sent_again():
    with serving([OK], [], [OK]) as (server, connections):
        exchange(connections, "GET", REQUEST)
        with pytest.raises(NoAnswer, match="closed without an answer"):
            exchange(connections, "GET", REQUEST)

    assert server.requests == 2


@pytest.mark.parametrize(
    ("pieces", "body"),
    [
        ([b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", b"2;x=y\r\nde\r\n0\r\n\r\n"], b"abcde"),
        ([b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r", b"\nabc\r", b"\n0\r\n\r\n"], b"abc"),
        ([b"HTTP/1.1 200 OK\r\nConten", b"t-Length: 4\r\n\r\nab", b"cd"], b"abcd"),
        ([b"HTTP/1.1 204 No Content\r\n\r\n"], b""),
        ([b"HTTP/1.1 100 Continue\r\n\r\n", OK], b"ok"),
        ([b"HTTP/1.1 100 Continue\r\n\r\n" + OK], b"ok"),
        ([b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n"], b""),
    ],
)
def test_every_way_to_end_an_answer_is_understood(pieces: list[bytes], body: bytes):
    with serving(pieces) as (server, connections):
        first, second = (exchange(connections, "GET", REQUEST) for _ in range(2))

    assert (first.body, second.body) == (body, body)
    assert server.connections == 1


def test_an_answer_without_a_length_ends_with_its_connection():
    with serving([b"HTTP/1.0 200 OK\r\n\r\nabc<close>"], [OK]) as (server, connections):
        first, second = (exchange(connections, "GET", REQUEST).body for _ in range(2))

    assert (first, second) == (b"abc<close>", b"ok")
    assert server.connections == 2


def test_connection_close_is_obeyed():
    with serving([b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"], [OK]) as (
        server,
        connections,
    ):
        exchange(connections, "GET", REQUEST)
        exchange(connections, "GET", REQUEST)

    assert server.connections == 2


@pytest.mark.parametrize(
    ("pieces", "reason"),
    [
        ([b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab<close>"], None),
        ([b"HTTP/1.1 200 OK\r\nContent-Length: 19\r\n\r\nab<close>"], "ends early"),
        ([b"nonsense\r\n\r\n"], "invalid literal"),
        ([b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 20_000], "does not end"),
    ],
)
def test_a_broken_answer_is_no_answer(pieces: list[bytes], reason: str | None):
    with serving(pieces) as (_, connections):
        if reason is None:
            assert exchange(connections, "GET", REQUEST).body == b"ab<close>"
        else:
            with pytest.raises(NoAnswer, match=reason):
                exchange(connections, "GET", REQUEST)


def test_nobody_there_is_said():
    with pytest.raises(NoAnswer, match="refused"):
        exchange(Connections(f"http://127.0.0.1:{free_port()}"), "GET", REQUEST)


@pytest.mark.parametrize("url", ["ftp://a", "127.0.0.1:80", "http://", ""])
def test_what_is_no_address_is_refused(url: str):
    with pytest.raises(ValueError, match="is no address"):
        Connections(url)


@pytest.mark.parametrize(
    ("url", "root", "whole"),
    [
        ("http://a.example", "", "/"),
        ("http://a.example/base/", "/base", "/base/"),
        ("http://a.example/search?q=1", "/search", "/search?q=1"),
    ],
)
def test_a_hosts_own_path_stands_before_the_scenarios(url: str, root: str, whole: str):
    assert (Connections(url).root, Connections(url).whole) == (root, whole)
