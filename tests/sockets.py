"""WebSocket clients: one, and one on every replica of a service."""

import json
import ssl
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from tests import tls
from tests.waiting import until

SECONDS = 10


def opened(url: str, **options: Any) -> ClientConnection:
    """No proxy of the environment, and no limit of our own: the server's is under test."""
    if url.startswith("wss:"):
        # This client reads and writes in two threads, which OpenSSL forbids. TLS 1.3 reads tickets after the handshake,
        # just when the request is written: one in 500 failed on a busy machine, none in 4,800 over TLS 1.2.
        options["ssl"] = tls.context()
        options["ssl"].maximum_version = ssl.TLSVersion.TLSv1_2
    return connect(url, open_timeout=SECONDS, close_timeout=2, max_size=None, proxy=None, **options)


def refused(url: str, **options: Any) -> Any:
    """The answer to a handshake that is refused."""
    try:
        with opened(url, **options):
            raise AssertionError("the handshake was accepted")
    except InvalidStatus as error:
        return error.response


def read(socket: ClientConnection, seconds: float = SECONDS) -> Any:
    return json.loads(socket.recv(timeout=seconds))


def code_of_close(socket: ClientConnection, seconds: float = 60) -> int:
    """Reads on until the other side closes; 1006 when it does so without a word."""
    try:
        while True:
            socket.recv(timeout=seconds)
    except ConnectionClosed as closed:
        return closed.rcvd.code if closed.rcvd else 1006


def replica(socket: ClientConnection) -> str:
    return header(socket, "X-Served-By").split("/")[1]


def header(socket: ClientConnection, name: str) -> str:
    """A header of the answer to the handshake; there must be one of it."""
    assert socket.response is not None
    (value,) = socket.response.headers.get_all(name)
    return value


@contextmanager
def on_each(url: str, replicas: Iterable[str]) -> Iterator[dict[str, ClientConnection]]:
    """A socket on each of these replicas: opened until the edge has chosen every one."""
    expected, found = set(replicas), dict[str, ClientConnection]()

    def all_found() -> bool:
        socket = closing.enter_context(opened(url))
        found.setdefault(replica(socket), socket)
        return set(found) == expected

    with ExitStack() as closing:
        until(all_found, seconds=20, every=0)
        yield found
