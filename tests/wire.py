"""Bytes on a socket, for requests no HTTP library would send."""

import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager

Address = tuple[str, int]
SECONDS = 5


def address(text: str) -> Address:
    host, _, port = text.rpartition(":")
    return host.strip("[]"), int(port)


@contextmanager
def connection(to: Address, seconds: float = SECONDS) -> Iterator[socket.socket]:
    with socket.create_connection(to, seconds) as sock:
        yield sock


def exchange(to: Address, request: bytes, seconds: float = SECONDS) -> bytes:
    """Everything the other side sends until it closes, resets or is silent for `seconds`."""
    with connection(to, seconds) as sock:
        try:
            sock.sendall(request)
            return read_all(sock)
        except (ConnectionResetError, BrokenPipeError):
            return b""


def read_all(sock: socket.socket) -> bytes:
    received = b""
    try:
        while part := sock.recv(65536):
            received += part
    except (TimeoutError, ConnectionResetError):
        pass
    return received


def read_until(sock: socket.socket, end: bytes) -> bytes:
    received = b""
    while end not in received:
        part = sock.recv(65536)
        assert part, f"closed after {received!r}"
        received += part
    return received


def statuses(received: bytes) -> list[int]:
    """The status of each answer in a stream of answers."""
    return [int(code) for code in re.findall(rb"HTTP/1\.[01] (\d{3})", received)]


def headers(received: bytes) -> dict[str, str]:
    """Headers of the first answer, names in lower case."""
    lines = received.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")[1:]
    return {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}


def request(line: str, *lines: str, body: bytes = b"", host: str = "localhost") -> bytes:
    """A request with Host and Connection: close, the rest as given."""
    head = [line, f"Host: {host}", "Connection: close", *lines]
    return "\r\n".join(head).encode("latin-1") + b"\r\n\r\n" + body
