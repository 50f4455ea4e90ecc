"""UPSTREAM_HTTP2: the edge in front of a replica that takes both versions and tells what it was asked in which."""

import json
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, RequestReceived, StreamEnded

from deploy import edge
from deploy.errors import Failure
from deploy.native.keeper import Keeper
from deploy.native.layout import Layout
from deploy.native.routing import Routing
from deploy.settings import ROOT, build
from tests import wire
from tests.config.edge import HOST, Running, running
from tests.config.test_edge_container import entrypoint, needs_envsubst
from tests.config.test_edge_nginx import fake_nginx

PREFACE = b"PRI * HTTP/2.0\r\n\r\n"
HEAD = b"POST /fastapi/early HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
UPGRADE = ("Connection: upgrade", "Upgrade: websocket")
REFUSED = "UPSTREAM_HTTP2=1 needs nginx 1.29.7 or later with HTTP/2, and this is 1.29.6"


class Both:
    """Requests of a connection come one after the other: nginx asks for no two at a time."""

    def __init__(self) -> None:
        self.listener = socket.create_server((HOST, 0))
        self.asked: list[tuple[int, str, str]] = []  # connection, version, path
        self.connections = 0
        threading.Thread(target=self.accept, daemon=True).start()

    @property
    def address(self) -> str:
        return f"{HOST}:{self.listener.getsockname()[1]}"

    def accept(self) -> None:
        while True:
            try:
                connection = self.listener.accept()[0]
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self.serve, args=(connection, self.connections), daemon=True).start()

    def serve(self, connection: socket.socket, number: int) -> None:
        with connection:
            begun = connection.recv(65536)
            speak = self.http2 if begun.startswith(PREFACE) else self.http1
            while begun:
                begun = speak(connection, number, begun) and connection.recv(65536)

    def http1(self, connection: socket.socket, number: int, head: bytes) -> bool:
        told = self.tell(number, "1.1", head.split()[1].decode(), wire.headers(head))
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(told), told))
        return True

    def http2(self, connection: socket.socket, number: int, begun: bytes) -> bool:
        speaker = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
        speaker.initiate_connection()
        early = received = 0
        while begun:
            for event in speaker.receive_data(begun):
                if isinstance(event, RequestReceived):
                    headers = dict(event.headers)
                    told = self.tell(number, "2", headers[":path"], headers)
                    early = event.stream_id if headers[":path"] == "/early" else 0
                    length = [] if early else [("content-length", str(len(told)))]
                    speaker.send_headers(event.stream_id, [(":status", "200"), *length])
                    speaker.send_data(event.stream_id, told, end_stream=not early)
                elif isinstance(event, DataReceived):
                    received += len(event.data)
                    speaker.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                elif isinstance(event, StreamEnded) and early:
                    speaker.send_data(early, b"received %d" % received, end_stream=True)
            connection.sendall(speaker.data_to_send())
            begun = connection.recv(65536)
        return False

    def tell(self, number: int, version: str, path: str, headers: dict[str, str]) -> bytes:
        self.asked.append((number, version, path))
        return json.dumps({"version": version, "headers": headers}).encode()


@pytest.fixture
def both() -> Iterator[Both]:
    replica = Both()
    yield replica
    replica.listener.shutdown(socket.SHUT_RDWR)  # ends accept() too
    replica.listener.close()


@pytest.fixture
def front(nginx: Path, tmp_path: Path, both: Both) -> Iterator[Callable]:
    if "upstream_http2" in edge.inspect(nginx).lacks():
        pytest.skip("this nginx is older than 1.29.7")

    @contextmanager
    def started(*services: str) -> Iterator[Running]:
        members = {"flask": (both.address,), "fastapi": (both.address,)}
        with running(tmp_path, nginx, upstreams=members, http2=frozenset(services)) as edge_:
            yield edge_

    return started


def test_http2_goes_to_the_service_that_it_was_turned_on_for(front: Callable) -> None:
    with front("flask") as edge_:
        spoken = {name: edge_.ask(f"/{name}/json").json["version"] for name in ("flask", "fastapi")}

    assert spoken == {"flask": "2", "fastapi": "1.1"}


def test_without_it_no_service_is_spoken_to_in_http2(front: Callable) -> None:
    with front() as edge_:
        assert edge_.ask("/flask/json").json["version"] == "1.1"


@pytest.mark.parametrize("path", ["/fastapi/ws/echo", "/fastapi/events"])
def test_websockets_and_event_streams_go_on_by_http1_on_connections_of_their_own(
    front: Callable, both: Both, path: str
) -> None:
    with front("fastapi") as edge_:
        for asked in ("/fastapi/json", path, "/fastapi/json"):
            assert edge_.ask(asked, *UPGRADE).status == 200

    (first, *_), (other, version, _), (last, *_) = both.asked
    assert (version, first == last, first == other) == ("1.1", True, False)


def test_what_http2_cannot_say_is_not_said(front: Callable) -> None:
    """An Upgrade in HTTP/2 is a malformed request: its connection would be ended, with others' requests on it."""
    with front("fastapi") as edge_:
        answer = edge_.ask("/fastapi/json", *UPGRADE, "TE: trailers", "Keep-Alive: timeout=5", "Proxy-Connection: a")

    assert answer.json["version"] == "2"
    assert not {"connection", "upgrade", "te", "keep-alive", "proxy-connection"} & set(answer.json["headers"])


def test_a_body_arrives_whole_though_the_answer_has_begun(front: Callable) -> None:
    """Over HTTP/1.1 nginx stops sending it then."""
    body = b"b" * 900_000
    with front("fastapi") as edge_, wire.connection(edge_.address) as client:
        client.sendall(HEAD % len(body) + body[:-1])
        begun = wire.read_until(client, b"headers")
        client.sendall(body[-1:])
        answer = begun + wire.read_all(client)

    assert b"received 900000" in answer


def test_a_connection_is_kept(front: Callable, both: Both) -> None:
    with front("fastapi") as edge_:
        for _ in range(5):
            edge_.ask("/fastapi/json")

    assert both.connections == 1


def test_an_older_nginx_refuses_it_natively(tmp_path: Path) -> None:
    given = {"NGINX_BIN": str(fake_nginx(tmp_path, "1.29.6")), "FASTAPI_UPSTREAM_HTTP2": "1"}
    layout = Layout(ROOT, tmp_path)

    with pytest.raises(Failure, match=REFUSED) as refused:
        Routing(build(given, given, ROOT, tmp_path), layout, Keeper(layout))
    assert refused.value.code == 3


@needs_envsubst
def test_an_older_nginx_refuses_it_in_a_container(tmp_path: Path) -> None:
    (tmp_path / "resolv.conf").write_text("nameserver 127.0.0.11\n")
    resolv = {"PONTE_RESOLV_CONF": str(tmp_path / "resolv.conf")}
    ran: subprocess.CompletedProcess[str] = entrypoint(
        fake_nginx(tmp_path, "1.29.6"), tmp_path / "out", FASTAPI_UPSTREAM_HTTP2="1", **resolv
    )

    assert (ran.returncode, ran.stderr) == (2, f"edge: {REFUSED}\n")
