"""An outer load balancer that ends TLS: believed if it is ours."""

import socket

import pytest

from tests import wire
from tests.config.edge import HOST as LOOPBACK
from tests.config.edge import Answer, Outside, Running

STRANGER = "127.0.0.2"
CLIENT, HOP = "203.0.113.9", "198.51.100.7"
SHOP = "shop.test"
BEHIND = {"server_names": ("localhost", LOOPBACK, SHOP), "hsts": True}
TRUSTING = {**BEHIND, "trusted_proxies": (LOOPBACK, "198.51.100.0/24")}
FROM_CLIENT = f"X-Forwarded-For: {CLIENT}"
TLS, PLAIN = "X-Forwarded-Proto: https", "X-Forwarded-Proto: http"
PATHS = ("/flask/headers", "/fastapi/headers", "/fastapi/events", "/fastapi/ws/echo")
# Words that even a trusted proxy does not have: the edge knows better.
OTHERS = ("X-Forwarded-Host: evil.test", "X-Forwarded-Port: 666", "X-Forwarded-Prefix: /evil", "X-Real-IP: 6.6.6.6",
          "Forwarded: for=6.6.6.6;host=evil.test;proto=https", "X-Forwarded-Ssl: on")  # fmt: skip


def ask(edge_: Outside, path: str, *lines: str, peer: str = LOOPBACK, host: str = SHOP) -> Answer:
    request = wire.request(f"GET {path} HTTP/1.1", *lines, host=host)
    with socket.create_connection(edge_.address, wire.SECONDS, source_address=(peer, 0)) as sock:
        sock.sendall(request)
        return Answer(wire.read_all(sock))


def told(answer: Answer) -> tuple[str, ...]:
    """Client, scheme, host, port as the application has them."""
    names = ("x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-forwarded-port")
    assert answer.status == 200
    assert {answer.seen[name] for name in ("forwarded", "x-real-ip", "x-forwarded-ssl") if name in answer.seen} == set()
    return tuple(answer.seen.get(name, "") for name in names)


def holds(edge_: Running) -> None:
    for path in PATHS:
        secure = ask(edge_, path, FROM_CLIENT, TLS, *OTHERS)
        assert told(secure) == (CLIENT, "https", SHOP, "443")
        assert secure.headers.get("strict-transport-security") == "max-age=63072000"
        assert secure.seen["x-forwarded-prefix"] == f"/{path.split('/')[1]}"
        plain = ask(edge_, path, FROM_CLIENT, PLAIN)
        assert told(plain) == (CLIENT, "http", SHOP, "80")
        assert plain.count("Strict-Transport-Security") == 0
    assert told(ask(edge_, PATHS[0], FROM_CLIENT, TLS, host=f"{SHOP}:444"))[2:] == (f"{SHOP}:444", "444")
    addresses_are_read_from_the_right(edge_)
    what_is_no_scheme_is_none(edge_)
    strangers_are_not_believed(edge_)
    line = edge_.log(secure.headers["x-request-id"])
    assert (line["remote_addr"], line["peer"], line["scheme"]) == (CLIENT, LOOPBACK, "https")


def addresses_are_read_from_the_right(edge_: Outside) -> None:
    """The last that is not one of ours; what stands before it is hearsay."""
    for listed, client in {
        f"6.6.6.6, {CLIENT}, {HOP}": CLIENT,
        f"{CLIENT}, {HOP}, {HOP}": CLIENT,
        f"6.6.6.6, {CLIENT}": CLIENT,
        "2001:db8::9": "2001:db8::9",
        "unknown": LOOPBACK,
    }.items():
        assert told(ask(edge_, PATHS[0], f"X-Forwarded-For: {listed}"))[0] == client
    two_lines = ask(edge_, PATHS[0], "X-Forwarded-For: 6.6.6.6", f"X-Forwarded-For: {CLIENT}, {HOP}")
    assert told(two_lines)[0] == CLIENT


def what_is_no_scheme_is_none(edge_: Outside) -> None:
    for said in ("X-Forwarded-Proto: https, http", "X-Forwarded-Proto: wss", "X-Forwarded-Proto:", "X-Other: https"):
        assert told(ask(edge_, PATHS[0], FROM_CLIENT, said))[1] == "http"


def strangers_are_not_believed(edge_: Outside) -> None:
    for path in PATHS:
        claim = ask(edge_, path, FROM_CLIENT, TLS, *OTHERS, peer=STRANGER)
        assert told(claim) == (STRANGER, "http", SHOP, "80")
        assert claim.count("Strict-Transport-Security") == 0
    disguised = ask(edge_, PATHS[0], f"X-Forwarded-For: {LOOPBACK}", TLS, peer=STRANGER)
    assert told(disguised)[:2] == (STRANGER, "http")


TRUST, PROXY = "templates/snippets/trust.conf.template", "snippets/proxy.conf"
MUTATIONS = [
    (TRUST, "    default $scheme;\n    1 ", "    default $scheme_before;\n    1 "),
    (TRUST, "    http    http;", "    http    https;"),
    (TRUST, "${PONTE_REAL_IP}", "set_real_ip_from 127.0.0.1;\nreal_ip_header X-Forwarded-For;"),
    (TRUST, "${PONTE_REAL_IP}", "set_real_ip_from 0.0.0.0/0;\nreal_ip_header X-Forwarded-For;\nreal_ip_recursive on;"),
    (TRUST, "${PONTE_REAL_IP}", ""),
    (TRUST, "geo $realip_remote_addr $from_proxy", "geo $from_proxy"),
    (PROXY, "X-Forwarded-For   $remote_addr;", "X-Forwarded-For   $proxy_add_x_forwarded_for;"),
    (PROXY, "X-Forwarded-Proto $client_scheme;", "X-Forwarded-Proto $scheme;"),
    (PROXY, "X-Forwarded-Proto $client_scheme;", "X-Forwarded-Proto $http_x_forwarded_proto;"),
    ("snippets/forwarded.conf", "map $client_scheme $scheme_port", "map $scheme $scheme_port"),
    ("templates/snippets/https.conf.template", "map $client_scheme $hsts", "map $scheme $hsts"),
]


def test_a_trusted_proxy_is_believed_and_nobody_else(mutated) -> None:
    with mutated(**TRUSTING) as edge_:
        holds(edge_)


def test_nobody_is_believed_by_default(mutated) -> None:
    with mutated(**BEHIND) as edge_:
        strangers_are_not_believed(edge_)
        assert told(ask(edge_, PATHS[0], FROM_CLIENT, TLS))[:2] == (LOOPBACK, "http")


@pytest.mark.full
@pytest.mark.parametrize(("file", "good", "bad"), MUTATIONS)
def test_misplaced_trust_is_caught(mutated, file: str, good: str, bad: str) -> None:
    with mutated(file, good, bad, **TRUSTING) as edge_, pytest.raises(AssertionError):
        holds(edge_)
