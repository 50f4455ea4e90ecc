"""What the edge promises about a request on its way in, kept by a real nginx."""

import re
import zlib

import pytest

from tests import wire
from tests.config.edge import Running

SERVICES = ("flask", "django", "django-asgi", "fastapi")


@pytest.mark.parametrize("service", ["flask", "fastapi"])
def test_prefix_is_taken_off_the_path_and_told_in_a_header(front: Running, service: str) -> None:
    answer = front.ask(f"/{service}/jobs/7?n=1%20a")

    assert answer.json["path"] == "/jobs/7?n=1%20a"
    assert answer.seen["x-forwarded-prefix"] == f"/{service}"


@pytest.mark.parametrize(
    ("named", "host", "port"),
    [
        ("localhost:8080", "localhost", "8080"),
        ("LOCALHOST", "localhost", "80"),
        ("[::1]:8443", "[::1]", "8443"),
        ("127.0.0.1", "127.0.0.1", "80"),
    ],
)
def test_application_learns_the_host_and_port_of_the_clients_url(
    front: Running, named: str, host: str, port: str
) -> None:
    seen = front.ask("/flask/headers", host=named).seen

    assert (seen["host"], seen["x-forwarded-port"]) == (host, port)
    assert seen["x-forwarded-host"] == named.lower()


@pytest.mark.parametrize("service", [*SERVICES, "static", "reports", "locust"])
def test_path_without_its_slash_leads_to_it_on_the_same_host(front: Running, service: str) -> None:
    answer = front.ask(f"/{service}?a=b", host="localhost:8080")

    assert (answer.status, answer.headers["location"]) == (308, f"/{service}/?a=b")


def test_websocket_bytes_flow_both_ways(front: Running) -> None:
    with wire.connection(front.address) as sock:
        sock.sendall(wire.request("GET /fastapi/ws/tunnel HTTP/1.1", "Upgrade: websocket"))
        head = wire.read_until(sock, b"\r\n\r\n")
        sock.sendall(b"there and back\n")
        echoed = wire.read_until(sock, b"\n")

    assert wire.statuses(head) == [101]
    assert head.lower().count(b"x-request-id:") == 1
    assert echoed == b"there and back\n"


def test_connections_to_replicas_are_kept(front: Running) -> None:
    before = sum(each.connections for each in front.replicas.values())

    for _ in range(100):
        assert front.ask("/flask/json").status == 200

    assert sum(each.connections for each in front.replicas.values()) - before <= 2  # one a replica


def test_requests_spread_over_the_replicas(front: Running) -> None:
    answered = {front.ask("/flask/json").json["replica"] for _ in range(10)}

    assert answered == {"flask-1", "flask-2"}


@pytest.mark.parametrize("coding", ["identity", "gzip"])
def test_stream_passes_as_it_is_made(front: Running, coding: str) -> None:
    with wire.connection(front.address) as sock:
        sock.sendall(wire.request("GET /flask/drip HTTP/1.1", f"Accept-Encoding: {coding}"))
        received, first = b"", ""
        while "first" not in first:  # times out, and fails, where the edge holds it back
            received += sock.recv(65536)
            first = text(received, coding)
        for each in front.replicas.values():
            each.released.set()
        rest = text(received + wire.read_all(sock), coding)
    for each in front.replicas.values():
        each.released.clear()

    assert "second" not in first
    assert "second" in rest


def text(received: bytes, coding: str) -> str:
    """The body so far of a chunked answer."""
    parts = re.split(rb"(?:^|\r\n)[0-9a-f]+\r\n", received.partition(b"\r\n\r\n")[2])
    body = b"".join(parts)
    return (zlib.decompressobj(31).decompress(body) if coding == "gzip" else body).decode()
