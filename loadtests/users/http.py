"""A lean HTTP/1.1 client for gevent: keep-alive connections, no retries, no redirects, no cookies.

(!) A load test counts what the stack did. Clients that quietly send a request again hide a lost one: this never does.
"""

import json as json_library
import re
import ssl
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

import gevent.ssl
from gevent import socket

HEADER = re.compile(rb"\r\n([^:\r\n]+):[ \t]*([^\r\n]*)")
BLOCK = 65536
TIMEOUT_SECONDS = 60  # the edge's own read timeout
LONGEST_HEAD = 65536


class NoAnswer(Exception):
    """The request got no whole answer; the sentence says why."""


class Answer:
    __slots__ = ("__dict__", "body", "head", "status")

    def __init__(self, status: int, head: bytes, body: bytes):
        self.status, self.head, self.body = status, head, body

    @cached_property
    def headers(self) -> dict[str, str]:
        """Names in lower case; of repeated ones the last."""
        return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in HEADER.findall(self.head)}

    def json(self) -> Any:
        return json_library.loads(self.body)


class Connections:
    """Keep-alive connections to one host: the one used last is taken first, as many as there are requests at once."""

    def __init__(self, url: str):
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{url!r} is no address; write http://HOST:PORT")
        self.root = parts.path.rstrip("/")  # before every path of a scenario
        self.whole = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")  # what the address itself names
        self.host = parts.netloc.rpartition("@")[2]
        self.name = parts.hostname
        self.address = (parts.hostname, parts.port or (443 if parts.scheme == "https" else 80))
        self.tls = gevent.ssl.create_default_context() if parts.scheme == "https" else None
        self.idle: list[socket.socket] = []

    def take(self) -> socket.socket:
        while self.idle:
            connection = self.idle.pop()
            if alive(connection):
                return connection
            connection.close()
        return self.connect()

    def connect(self) -> socket.socket:
        connection = socket.create_connection(self.address, TIMEOUT_SECONDS)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self.tls.wrap_socket(connection, server_hostname=self.name) if self.tls else connection

    def give(self, connection: socket.socket) -> None:
        self.idle.append(connection)

    def close(self) -> None:
        while self.idle:
            self.idle.pop().close()


def alive(connection: Any) -> bool:
    """False when the other side has closed it, or sent what nobody asked for."""
    if isinstance(connection, gevent.ssl.SSLSocket):
        return connection.fileno() >= 0
    try:
        connection._sock.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def exchange(connections: Connections, method: str, request: bytes) -> Answer:
    """Sends one request and reads its answer. NoAnswer when the connection does not yield one."""
    connection = None
    try:
        connection = connections.take()
        connection.sendall(request)
        answer, keep = read(connection, method)
    except ssl.SSLError as error:
        raise closed(connection, f"TLS: {error.reason or error}") from None
    except TimeoutError:
        raise closed(connection, "timed out") from None
    except (OSError, ValueError) as error:
        raise closed(connection, getattr(error, "strerror", None) or str(error)) from None
    except BaseException:
        closed(connection, "")
        raise
    connections.give(connection) if keep else connection.close()
    return answer


def closed(connection: Any, why: str) -> NoAnswer:
    if connection is not None:
        connection.close()
    return NoAnswer(why)


def read(connection: Any, method: str) -> tuple[Answer, bool]:
    """(the answer, whether the connection may be used again)"""
    data, end = b"", -1
    while end < 0:
        data = more(connection, data)
        end = data.find(b"\r\n\r\n")
        if end >= 0 and data[9:10] == b"1" and data[9:12] != b"101":
            data, end = data[end + 4 :], -1  # 100 Continue and its kind: the answer follows
            end = data.find(b"\r\n\r\n")
        if end < 0 and len(data) > LONGEST_HEAD:
            raise ValueError("the head of the answer does not end")
    head, rest = data[:end], data[end + 4 :]
    status, lower = int(head[9:12]), head.lower()
    keep = head.startswith(b"HTTP/1.1") and b"\r\nconnection: close" not in lower
    if method == "HEAD" or status in (204, 304):
        return Answer(status, head, b""), keep
    if b"\r\ntransfer-encoding: chunked" in lower:
        return Answer(status, head, chunked(connection, rest)), keep
    length = content_length(lower)
    return Answer(status, head, sized(connection, rest, length)), keep and length is not None


def content_length(lower: bytes) -> int | None:
    start = lower.find(b"\r\ncontent-length:")
    if start < 0:
        return None
    stop = lower.find(b"\r\n", start + 2)
    return int(lower[start + 17 : stop if stop > 0 else None])


def more(connection: Any, data: bytes) -> bytes:
    block = connection.recv(BLOCK)
    if not block:
        raise ValueError("the answer ends early" if data else "the connection was closed without an answer")
    return data + block if data else block


def sized(connection: Any, body: bytes, length: int | None) -> bytes:
    if length is not None and len(body) >= length:
        return body[:length]
    blocks, size = [body], len(body)
    while length is None or size < length:
        block = connection.recv(BLOCK)
        if not block and length is None:
            break
        if not block:
            raise ValueError("the answer ends early")
        blocks.append(block)
        size += len(block)
    return b"".join(blocks)


def chunked(connection: Any, data: bytes) -> bytes:
    body = bytearray()
    while True:
        while (stop := data.find(b"\r\n")) < 0:
            data = more(connection, data)
        size = int(data[:stop].partition(b";")[0], 16)
        need = stop + 2 + size + 2
        while len(data) < need:
            data = more(connection, data)
        body += data[stop + 2 : need - 2]
        data = data[need:]
        if not size:
            return bytes(body)
