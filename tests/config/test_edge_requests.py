"""What the edge promises about a request on its way in, kept by a real nginx."""

import re
import zlib

import pytest

from tests import wire
from tests.config.edge import Running
from tests.waiting import until

SERVICES = ("flask", "django", "django-asgi", "fastapi")
ID = "^[0-9a-f]{32}$"


@pytest.mark.parametrize("service", ["flask", "fastapi"])
def test_prefix_is_taken_off_the_path_and_told_in_a_header(front: Running, service: str) -> None:
    answer = front.ask(f"/{service}/jobs/7?n=1%20a")

    assert answer.json["path"] == "/jobs/7?n=1%20a"
    assert answer.seen["x-forwarded-prefix"] == f"/{service}"


@pytest.mark.parametrize("service", ["flask", "fastapi"])
@pytest.mark.parametrize("path", ["/headers", "/events", "/ws/echo"])
def test_client_cannot_forge_who_it_is(front: Running, service: str, path: str) -> None:
    forged = (
        "X-Forwarded-For: 6.6.6.6",
        "X-Forwarded-Host: evil.test",
        "X-Forwarded-Port: 1",
        "X-Forwarded-Proto: https",
    )
    more = ("Forwarded: for=6.6.6.6", "X-Forwarded-Ssl: on", "X-Forwarded-Protocol: ssl", "Proxy: http://evil.test")
    others = ("X-Forwarded-Prefix: /evil", "X-Request-ID: mine", "X-Real-IP: 6.6.6.6", "X_Forwarded_For: 6.6.6.6")

    answer = front.ask(f"/{service}{path}", *forged, *more, *others)

    seen = answer.seen
    assert seen.pop("x-request-id") == answer.headers["x-request-id"] != "mine"
    assert {name: value for name, value in seen.items() if name != "connection"} == {
        "host": "localhost",
        "x-forwarded-host": "localhost",
        "x-forwarded-port": "80",
        "x-forwarded-proto": "http",
        "x-forwarded-for": "127.0.0.1",
        "x-forwarded-prefix": f"/{service}",
    }


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


def test_host_of_an_absolute_uri_wins_over_a_forged_host_header(front: Running) -> None:
    answer = front.ask("http://localhost:81/flask/headers", host="nginx:82")

    assert answer.seen["x-forwarded-host"] == "localhost:81"


@pytest.mark.parametrize("host", ["evil.test", "localhost.evil.test", "10.0.0.1", "[::2]"])
def test_unknown_host_is_closed_without_an_answer(front: Running, host: str) -> None:
    assert front.ask("/", host=host).raw == b""
    assert front.ask("/flask/", host=host, method="POST", body=b"x" * 3_000_000).raw == b""
    assert front.ask("/", host=host, method="TRACE").raw == b""


@pytest.mark.parametrize("host", ["evil.test", "localhost"])
def test_healthz_answers_for_any_host(front: Running, host: str) -> None:
    answer = front.ask("/healthz", host=host)

    assert (answer.status, answer.body) == (200, b"ok")


@pytest.mark.parametrize("service", [*SERVICES, "static", "reports", "locust"])
def test_path_without_its_slash_leads_to_it_on_the_same_host(front: Running, service: str) -> None:
    answer = front.ask(f"/{service}?a=b", host="localhost:8080")

    assert (answer.status, answer.headers["location"]) == (308, f"/{service}/?a=b")


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("path", ["/metrics", "/%6detrics", "//metrics", "/x/../metrics"])
def test_metrics_are_hidden(front: Running, service: str, path: str) -> None:
    assert front.ask(f"/{service}{path}").status == 404


@pytest.mark.parametrize(
    ("asked", "sent"), [("websocket", "websocket"), ("WebSocket", "websocket"), ("h2c", None), ("websocket, h2c", None)]
)
def test_only_a_websocket_is_upgraded(front: Running, asked: str, sent: str | None) -> None:
    seen = front.ask("/fastapi/ws/echo", f"Upgrade: {asked}", "HTTP2-Settings: AAMAAABkAAQAAP__").seen

    assert seen.get("upgrade") == sent
    assert seen.get("connection") == ("upgrade" if sent else None)


def test_websocket_bytes_flow_both_ways(front: Running) -> None:
    with wire.connection(front.address) as sock:
        sock.sendall(wire.request("GET /fastapi/ws/tunnel HTTP/1.1", "Upgrade: websocket"))
        head = wire.read_until(sock, b"\r\n\r\n")
        sock.sendall(b"there and back\n")
        echoed = wire.read_until(sock, b"\n")

    assert wire.statuses(head) == [101]
    assert head.lower().count(b"x-request-id:") == 1
    assert echoed == b"there and back\n"


def test_header_behind_a_bare_line_feed_is_overwritten_like_any_other(front: Running) -> None:
    """nginx takes LF for the end of a line, as RFC 9112 allows, and writes every line anew."""
    answer = front.ask("/flask/headers", "X-A: 1\nX-Forwarded-For: 6.6.6.6\nForwarded: for=6.6.6.6")

    assert answer.seen["x-forwarded-for"] == "127.0.0.1"
    assert "forwarded" not in answer.seen


@pytest.mark.parametrize(
    "lines",
    [
        ("Content-Length: 3", "Transfer-Encoding: chunked"),
        ("Content-Length: 3", "Content-Length: 4"),
        ("Content-Length: +3",),
        ("Transfer-Encoding: chunked", "Transfer-Encoding: chunked"),
        ("Transfer-Encoding : chunked",),
        ("X-A: a\r\n folded",),
        ("X-A: a\rb",),
        ("X-A: a\0b",),
        ("Host: evil.test",),
    ],
)
def test_ambiguous_request_is_refused_before_an_application_sees_it(front: Running, lines: tuple[str, ...]) -> None:
    before = _requests(front)

    answer = front.raw(wire.request("POST /flask/echo HTTP/1.1", *lines), seconds=1)

    assert wire.statuses(answer) == [400]
    assert _requests(front) == before


def _requests(front: Running) -> int:
    return sum(len(each.requests) for each in front.replicas.values())


def test_body_of_the_largest_size_passes_and_one_byte_more_is_413(front: Running) -> None:
    limit = front.settings.max_upload

    for service in ("flask", "fastapi"):
        assert front.ask(f"/{service}/digest", method="POST", body=b"x" * limit).json["bytes"] == limit
        assert front.ask(f"/{service}/digest", method="POST", body=b"x" * (limit + 1)).status == 413


@pytest.mark.parametrize("service", ["flask", "fastapi"])
def test_chunked_body_over_the_limit_is_413(front: Running, service: str) -> None:
    size = front.settings.max_upload + 1
    body = f"{size:x}\r\n".encode() + b"x" * size + b"\r\n0\r\n\r\n"

    raw = front.raw(wire.request(f"POST /{service}/digest HTTP/1.1", "Transfer-Encoding: chunked", body=body))

    assert wire.statuses(raw) == [413]


def test_wsgi_sees_a_body_only_when_it_is_whole_and_asgi_as_it_comes(front: Running) -> None:
    before = {service: asked(front, service) for service in ("flask", "fastapi")}
    with wire.connection(front.address) as whole, wire.connection(front.address) as passed_on:
        whole.sendall(half_a_body("flask"))
        passed_on.sendall(half_a_body("fastapi"))
        until(lambda: asked(front, "fastapi") > before["fastapi"])
        until(lambda: front.ask("/fastapi/headers").status == 200)  # the other half would have had its turn by now
        meanwhile = asked(front, "flask")
        whole.sendall(b"x" * 100000)
        wire.read_until(whole, b"}")

    assert (meanwhile, asked(front, "flask")) == (before["flask"], before["flask"] + 1)


def half_a_body(service: str) -> bytes:
    return wire.request(f"POST /{service}/digest HTTP/1.1", "Content-Length: 200000", body=b"x" * 100000)


def asked(front: Running, service: str) -> int:
    return sum(len(each.requests) for name, each in front.replicas.items() if name.startswith(service))


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
