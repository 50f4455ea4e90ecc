"""What a client says about itself in headers that only a proxy may set: see promise.md."""

import pytest

from tests.config.edge import Answer, Outside, Running
from tests.contract import HEX_32, NAMES
from tests.promises.conftest import Mutated

STUBS = ("flask", "fastapi")
FORGED = (
    "X-Forwarded-For: 203.0.113.66",
    "X-Forwarded-For: 203.0.113.67",
    "X-Forwarded-Host: evil.example",
    "X-Forwarded-Port: 666",
    "X-Forwarded-Proto: https",
    "X-Forwarded-Prefix: /evil",
    "X-Forwarded-Ssl: on",
    "X-Forwarded-Protocol: ssl",
    "Forwarded: for=203.0.113.66;host=evil.example;proto=https",
    "X-Real-IP: 203.0.113.66",
    "X-Request-ID: " + "e" * 32,
    "Proxy: http://evil.example",
    "X-Forwarded-Scheme: evil",
    "X-Original-URL: /evil",
    "X-Rewrite-URL: /evil",
    "Script-Name: /evil",
    "X-Script-Name: /evil",
)
# WSGI turns - and _ into the same letter, so these would stand in for their namesakes; nor are the last two names.
DROPPED = (
    "X_Forwarded_For: 203.0.113.66",
    "X_Forwarded-Host: evil.example",
    "X-Forwarded_Proto: https",
    "X_Request_ID: " + "e" * 32,
    "SCRIPT_NAME: /evil",
    "REMOTE_ADDR: 203.0.113.66",
    "X-Forwarded-For(: 203.0.113.66",
    'X"Forwarded: evil',
)
# What is left of them: names that nobody reads, which reach an application as the client's own.
UNREAD = {"x-forwarded-scheme", "x-original-url", "x-rewrite-url", "script-name", "x-script-name"}
GONE = ("forwarded", "x-forwarded-ssl", "x-forwarded-protocol", "x-real-ip", "proxy")
PATHS = ("/headers", "/events", "/ws/echo")  # the last two are locations of their own, which inherit what is set above


def holds(front: Outside, services: tuple[str, ...] = STUBS, paths: tuple[str, ...] = PATHS) -> None:
    named = "{}:{}".format(*front.address)
    for service in services:
        for path in paths:
            assert_told(front.ask(f"/{service}{path}", *FORGED, *DROPPED, host=named), service, named)
        assert_same_for_an_absolute_target(front, service)


def assert_told(answer: Answer, service: str, named: str) -> None:
    """The edge's word in every header that counts, and none that it does not know of."""
    seen = headers(answer)
    assert {name: value for name, value in seen.items() if name.startswith("x-forwarded") and name not in UNREAD} == {
        "x-forwarded-for": seen["x-forwarded-for"],
        "x-forwarded-host": named,
        "x-forwarded-port": named.rpartition(":")[2],
        "x-forwarded-proto": "http",
        "x-forwarded-prefix": f"/{service}",
    }
    assert HEX_32.fullmatch(seen["x-request-id"]) and seen["x-request-id"] == answer.headers["x-request-id"] != "e" * 32
    assert not [name for name in GONE if seen.get(name)]
    assert "203.0.113" not in answer.body.decode() and "evil.example" not in answer.body.decode()
    assert {name for name, value in seen.items() if "evil" in value} <= UNREAD
    assert not [name for name in seen if "_" in name or "(" in name or '"' in name]


def assert_same_for_an_absolute_target(front: Outside, service: str) -> None:
    """Its host is the one that counts, and a Host header beside it is nothing."""
    seen = headers(front.ask(f"http://localhost:81/{service}/headers", host="nginx:82"))

    assert seen["host"].startswith("localhost") and seen["x-forwarded-host"] == "localhost:81"


def headers(answer: Answer) -> dict[str, str]:
    """What the application got, which an application tells as an object and a stub as a list."""
    assert answer.status == 200, answer.raw
    found = answer.json["headers"]
    return found if isinstance(found, dict) else answer.seen


@pytest.mark.parametrize("service", NAMES)
def test_a_client_cannot_forge_who_it_is(front: Outside, service: str) -> None:
    holds(front, (service,), ("/headers",))


@pytest.mark.parametrize("service", NAMES)
def test_an_application_believes_nothing_of_it(front: Outside, service: str) -> None:
    honest, forged = (front.ask(f"/{service}/headers", *lines).json for lines in ((), (*FORGED, *DROPPED)))

    for name in ("path", "root_path", "scheme", "host", "client"):
        assert forged[name] == honest[name]


def test_nor_of_a_header_behind_a_bare_line_feed(front: Outside) -> None:
    """nginx takes LF for the end of a line, as RFC 9112 allows, and writes every line anew."""
    for service in NAMES:
        seen = headers(front.ask(f"/{service}/headers", "X-A: 1\nX-Forwarded-For: 203.0.113.66\nForwarded: for=evil"))

        assert "203.0.113" not in seen["x-forwarded-for"] and not seen.get("forwarded")


def test_the_edge_before_stubs_keeps_it(stubbed: Running) -> None:
    holds(stubbed)


MUTATIONS = [
    ("snippets/proxy.conf", "Host              $host;", "Host              $http_host;"),
    ("snippets/proxy.conf", "$host$colon_port;", "$http_host;"),
    ("snippets/proxy.conf", "X-Forwarded-For   $remote_addr;", "X-Forwarded-For   $proxy_add_x_forwarded_for;"),
    ("snippets/proxy.conf", "X-Forwarded-Proto $client_scheme;", "X-Forwarded-Proto $http_x_forwarded_proto;"),
    ("snippets/proxy.conf", "X-Forwarded-Port  $public_port;", "X-Forwarded-Port  $http_x_forwarded_port;"),
    ("snippets/proxy.conf", "proxy_set_header X-Request-ID      $request_id;", ""),
    ("snippets/proxy.conf", 'proxy_set_header Forwarded         "";', ""),
    ("snippets/proxy.conf", 'proxy_set_header X-Forwarded-Ssl   "";', ""),
    ("snippets/proxy.conf", 'proxy_set_header X-Forwarded-Protocol "";', ""),
    ("snippets/proxy.conf", 'proxy_set_header X-Real-IP         "";', ""),
    ("snippets/proxy.conf", 'proxy_set_header Proxy             "";', ""),
    ("services/flask.conf", "proxy_set_header X-Forwarded-Prefix /flask;", ""),
    # A header set in a nested location: those above it are forgotten there.
    ("services/fastapi.conf", "location = /fastapi/events {", "location = /fastapi/events {\nproxy_set_header A b;"),
    ("snippets/client.conf", "client_header_timeout 10s;", "underscores_in_headers on;"),
    ("snippets/client.conf", "client_header_timeout 10s;", "ignore_invalid_headers off;"),
]


@pytest.mark.full
@pytest.mark.parametrize(("file", "good", "bad"), MUTATIONS)
def test_an_edge_that_passes_one_on_is_caught(mutated: Mutated, file: str, good: str, bad: str) -> None:
    with mutated(file, good, bad) as edge_, pytest.raises(AssertionError):
        holds(edge_)
