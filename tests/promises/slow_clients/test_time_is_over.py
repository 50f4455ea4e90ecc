"""How long the edge waits for a client: see promise.md."""

import contextlib
import select
import socket
import time

import pytest

from tests import wire
from tests.config.edge import Running
from tests.contract import MIB
from tests.promises.conftest import Mutated
from tests.promises.slow_clients.connections import HALF_A_HEAD, half_a_body, many

HEAD_SECONDS, BODY_SECONDS, READ_SECONDS = 10, 15, 15  # snippets/client.conf
LATE = 4  # seconds after which a connection is called not closed
BIG = 64 * MIB  # more than the sockets' own buffers take off the edge's hands


def closed_in_time(edge_: Running) -> None:
    """A head that drips, a body that stops, an answer that nobody reads: closed when their time is over."""
    with (edge_.settings.reports / "big").open("wb") as file:
        file.truncate(BIG)
    with (
        many(edge_, HALF_A_HEAD, 1) as (head,),
        many(edge_, half_a_body("flask"), 1) as (body,),
        many(edge_, wire.request("GET /reports/big HTTP/1.1"), 1) as (reader,),
    ):
        began = time.monotonic()
        assert closed_after(began, head, drip=b"a") == pytest.approx(HEAD_SECONDS, abs=LATE)
        assert closed_after(began, body) == pytest.approx(BODY_SECONDS, abs=LATE)
        assert closed_after(began, reader) == pytest.approx(READ_SECONDS, abs=LATE)


def closed_after(began: float, sock: socket.socket, drip: bytes = b"") -> float:
    """Seconds until the other side has closed or reset it; what it had sent before need not be read."""
    end = select.poll()
    end.register(sock, select.POLLRDHUP)
    while not end.poll(500) and time.monotonic() - began < BODY_SECONDS + 2 * LATE:
        with contextlib.suppress(OSError):
            sock.send(drip)
    return time.monotonic() - began


@pytest.mark.full
def test_a_connection_is_closed_when_its_time_is_over(stubbed: Running) -> None:
    closed_in_time(stubbed)


@pytest.mark.full
@pytest.mark.parametrize(
    ("good", "bad"),
    [
        ("client_header_timeout 10s;", "client_header_timeout 1h;"),
        ("client_body_timeout   15s;", "client_body_timeout 1h;"),
        ("send_timeout          15s;", "send_timeout 1h;"),
    ],
)
def test_an_edge_that_waits_for_ever_is_caught(mutated: Mutated, good: str, bad: str) -> None:
    with mutated("snippets/client.conf", good, bad) as edge_, pytest.raises(AssertionError):
        closed_in_time(edge_)
