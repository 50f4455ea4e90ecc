"""WebSocket frames made and read by hand (RFC 6455), so that wrong ones can be sent as well."""

import hashlib
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice

from tests import tls, wire

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
NAMES = {TEXT: "text", BINARY: "binary", CLOSE: "close", PING: "ping", PONG: "pong"}
KEY = b"\x12\x34\x56\x78"
HANDSHAKE = ("Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")
ACCEPT = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="  # RFC 6455's own example for that key
Event = tuple[str, object]


def brief(payload: bytes) -> bytes:
    """Itself, or its digest: nobody reads the difference of two mebibytes."""
    return payload if len(payload) < 200 else hashlib.sha256(payload).digest()


def frame(opcode: int, payload: bytes = b"", *, fin: int = 1, reserved: int = 0, key: bytes | None = KEY) -> bytes:
    """One frame; without a key it is not masked, which a client must not do."""
    masked = 0x80 if key is not None else 0
    head = bytes([fin << 7 | reserved << 4 | opcode]) + length(len(payload), masked)
    return head + (payload if key is None else key + xor(payload, key))


def length(count: int, masked: int) -> bytes:
    if count < 126:
        return bytes([masked | count])
    size, word = (2, 126) if count < 2**16 else (8, 127)
    return bytes([masked | word]) + count.to_bytes(size, "big")


def xor(payload: bytes, key: bytes) -> bytes:
    keys = (key * (len(payload) // 4 + 1))[: len(payload)]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(keys, "big")).to_bytes(len(payload), "big")


@dataclass(frozen=True)
class Way:
    """A way to a WebSocket: straight at a replica, or through the edge."""

    address: wire.Address
    path: str
    tls: bool = False

    @contextmanager
    def opened(self) -> Iterator[socket.socket]:
        request = wire.request(f"GET {self.path} HTTP/1.1", *HANDSHAKE).replace(b": close", b": Upgrade")
        with wire.connection(self.address, 10) as plain:
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock = tls.context().wrap_socket(plain, server_hostname=self.address[0]) if self.tls else plain
            with sock:
                sock.sendall(request)
                head = wire.read_until(sock, b"\r\n\r\n")
                assert wire.statuses(head) == [101] and ACCEPT in head, head
                yield sock

    def outcome(self, sent: bytes, answers: int = 0, then: bytes = b"", pace: int = 0) -> list[Event]:
        """What the other side says until it closes; `then` is sent after so many answers."""
        with self.opened() as sock:
            send(sock, sent, pace)
            said = events(sock)
            first = list(islice(said, answers))
            send(sock, then, pace)
            return [*first, *said]


def send(sock: socket.socket, data: bytes, pace: int) -> None:
    """In one piece, or in pieces of `pace` bytes."""
    for start in range(0, len(data), pace or len(data) or 1):
        sock.sendall(data[start : start + (pace or len(data))])


def events(sock: socket.socket) -> Iterator[Event]:
    """('text', b'hello'), ('close', 1000), ..., and how the connection ended."""
    stream = sock.makefile("rb")
    try:
        while head := stream.read(2):
            payload = stream.read(announced(head[1], stream))
            assert head[0] & 0xF0 == 0x80 and not head[1] & 0x80, (
                "a server sends whole frames, unmasked, no bit reserved"
            )
            yield event(head[0] & 0x0F, payload)
    except ConnectionResetError:
        yield "reset", None
    except TimeoutError:
        yield "silence", None


def announced(word: int, stream) -> int:  # type: ignore[no-untyped-def]
    size = {126: 2, 127: 8}.get(word & 0x7F, 0)
    return int.from_bytes(stream.read(size), "big") if size else word & 0x7F


def event(opcode: int, payload: bytes) -> Event:
    if opcode == CLOSE:
        return "close", int.from_bytes(payload[:2], "big") if payload else None
    return NAMES.get(opcode, f"opcode {opcode}"), brief(payload)
