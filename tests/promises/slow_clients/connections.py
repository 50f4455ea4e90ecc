"""Connections on which a client begins, and takes its time."""

import contextlib
import socket
from collections.abc import Iterator

from tests import wire
from tests.config.edge import Outside

SLOW = 20  # connections of each kind; more than the threads of a WSGI worker (8)
HALF_A_HEAD = b"GET /flask/json HTTP/1.1\r\nHost: localhost\r\nX-A: "


def half_a_body(service: str, path: str = "digest") -> bytes:
    return wire.request(f"POST /{service}/{path} HTTP/1.1", "Content-Length: 200000", body=b"x" * 100000)


@contextlib.contextmanager
def many(front: Outside, beginning: bytes, count: int = SLOW) -> Iterator[list[socket.socket]]:
    """Connections that have begun and say no more, and take in as little as they can."""
    with contextlib.ExitStack() as stack:
        opened = []
        for _ in range(count):
            sock = stack.enter_context(socket.socket())
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            sock.settimeout(wire.SECONDS)
            sock.connect(front.address)
            sock.sendall(beginning)
            opened.append(sock)
        yield opened
