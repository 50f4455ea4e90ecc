"""Requests of one client under way at one time: WebSockets and streams among them."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from socket import socket

import pytest

from deploy.settings import load
from tests import wire
from tests.config.edge import Answer, Outside
from tests.waiting import until

LIMIT = 3
LIMITED = {"connection_limit": LIMIT, "trusted_proxies": ("127.0.0.1",), "limit_exempt": ("203.0.113.0/24",)}
WEBSOCKET = "GET /fastapi/ws/tunnel HTTP/1.1"
STREAM = "GET /fastapi/drip HTTP/1.1"


def opening(client: str, line: str = WEBSOCKET) -> bytes:
    upgrade = ["Upgrade: websocket"] if line == WEBSOCKET else []
    return wire.request(line, f"X-Forwarded-For: {client}", *upgrade)


@contextmanager
def held(edge_: Outside, *requests: bytes) -> Iterator[list[int]]:
    """Open at one time; gives the status of each."""
    with ExitStack() as stack:
        yield [opened(stack.enter_context(wire.connection(edge_.address)), request) for request in requests]


def opened(sock: socket, request: bytes) -> int:
    sock.sendall(request)
    return wire.statuses(wire.read_until(sock, b"\r\n\r\n"))[0]


def ask(edge_: Outside, client: str, path: str = "/flask/json") -> Answer:
    return edge_.ask(path, f"X-Forwarded-For: {client}")


def holds(edge_: Outside) -> None:
    client = "198.51.100.1"
    with held(edge_, *[opening(client)] * (LIMIT - 1), opening(client, STREAM)) as statuses:
        assert statuses == [101] * (LIMIT - 1) + [200]
        who_has_enough_is_refused(edge_, client)
        assert [ask(edge_, "198.51.100.2", path).status for path in ("/flask/json", "/")] == [200, 200]
    assert until(lambda: ask(edge_, client).status == 200), "what has ended counts no more"
    exempt_clients_have_as_many_as_they_like(edge_)
    a_network_of_ipv6_is_one_client(edge_)


def who_has_enough_is_refused(edge_: Outside, client: str) -> None:
    for path in ("/flask/json", "/", "/fastapi/events"):
        refused = ask(edge_, client, path)
        assert (refused.status, refused.headers.get("retry-after"), refused.count("Retry-After")) == (429, "2", 1)
        assert (refused.json.keys(), refused.json["error"]) == ({"error", "detail", "request_id"}, "too_many_requests")
    page = edge_.ask("/", f"X-Forwarded-For: {client}", "Accept: text/html")
    assert (page.status, page.headers["content-type"]) == (429, "text/html; charset=utf-8")
    with held(edge_, opening(client)) as statuses:
        assert statuses == [429]
    assert ask(edge_, client, "/healthz").status == 200


def exempt_clients_have_as_many_as_they_like(edge_: Outside) -> None:
    with held(edge_, *[opening("203.0.113.9")] * (LIMIT + 2)) as statuses:
        assert statuses == [101] * (LIMIT + 2)


def a_network_of_ipv6_is_one_client(edge_: Outside) -> None:
    with held(edge_, *(opening(f"2001:db8:1:2::{k}") for k in range(LIMIT))) as statuses:
        assert statuses == [101] * LIMIT
        assert ask(edge_, "2001:db8:1:2:ffff::9").status == 429, "the same /64"
        assert ask(edge_, "2001:db8:1:3::1").status == 200, "the next /64"


MUTATIONS = [
    ("templates/features/routes/connection_limit.conf.template", "limit_conn connections", "# limit_conn"),
    ("templates/snippets/limits.conf.template", "limit_conn_status 429", "limit_conn_status 503"),
    (
        "templates/snippets/limits.conf.template",
        '    default "";  # an empty',
        "    default $client_network;  # an empty",
    ),
    ("templates/snippets/limits.conf.template", "0       $client_network;", "0       everybody;"),
    ("templates/snippets/limits.conf.template", "(?s:.){8})", "(?s:.){16})"),
]


def test_a_client_with_enough_under_way_is_refused_more(mutated) -> None:
    with mutated(**LIMITED) as edge_:
        holds(edge_)


def test_nothing_is_counted_unless_asked_for(mutated) -> None:
    with mutated() as edge_, held(edge_, *[opening("198.51.100.1")] * 60) as statuses:
        assert set(statuses) == {101}


def test_it_is_on_in_production_and_off_locally() -> None:
    assert (load({}, {}).connection_limit, load({"STAGE": "production"}, {}).connection_limit) == (0, 50)


@pytest.mark.full
@pytest.mark.parametrize(("file", "good", "bad"), MUTATIONS)
def test_a_broken_limit_is_caught(mutated, file: str, good: str, bad: str) -> None:
    with mutated(file, good, bad, **LIMITED) as edge_, pytest.raises(AssertionError):
        holds(edge_)
