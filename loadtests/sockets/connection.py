"""One WebSocket of the generator, kept small: thousands of them live in one process.

picows without its own event loop add-on holds an idle connection in about 9 KiB and costs 0.6 of what Locust with
websocket-client needs for an echo; `websockets` holds one in 10 KiB and costs the same as Locust.
"""

import asyncio
import logging
import socket
import ssl
import sys
import time
from collections.abc import Callable
from typing import Any

from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from loadtests.sockets.failures import Closed

BUFFER_BYTES = 1024  # of the reader, at first; it grows with the messages (default: 16 KiB)
LARGEST_BYTES = 16 * 1024 * 1024
NO_CODE, NO_FRAME = 1005, 1006  # RFC 6455: a close frame without a code; no close frame at all
SMALL_WINDOW_BYTES = 4096
# An adapter, because picows makes a child of a plain logger for every connection.
LOGGER = logging.LoggerAdapter(logging.getLogger("picows"), {})
LOGGER.logger.setLevel(logging.CRITICAL)

Hear = Callable[["Connection", str], None]


def ignore(connection: "Connection", text: str) -> None:
    """What an idle connection does with a message."""


class Connection(WSListener):
    __slots__ = ("close_code", "closed_at", "hear", "left", "number", "parts", "pings", "pongs", "served_by",
                 "transport")  # fmt: skip

    def __init__(self, served_by: str) -> None:
        self.served_by = sys.intern(served_by)
        self.transport: WSTransport | None = None
        self.hear: Hear = ignore
        self.left: Callable[[Connection], None] | None = None
        self.number = 0
        self.pings = self.pongs = 0
        self.parts: list[bytes] | None = None
        self.close_code = 0
        self.closed_at = 0.0  # CLOCK_MONOTONIC; 0 while open

    @property
    def replica(self) -> str:
        """SERVICE/REPLICA of the X-Served-By of the handshake; empty when the server tells none."""
        return "/".join(self.served_by.split("/")[:2])

    @property
    def open(self) -> bool:
        return not self.closed_at

    def send(self, text: str) -> bool:
        """False when the connection is closed."""
        if self.closed_at or self.transport is None or self.transport.is_close_frame_sent:
            return False
        self.transport.send(WSMsgType.TEXT, text)
        return True

    def ping(self) -> None:
        if self.open and self.transport is not None:
            self.transport.send_ping()

    def pause(self) -> None:
        """Stops reading, until resume(): what arrives piles up on the way."""
        if self.open and self.transport is not None:
            self.transport.underlying_transport.pause_reading()

    def resume(self) -> None:
        if self.open and self.transport is not None:
            self.transport.underlying_transport.resume_reading()

    def leave(self) -> None:
        """Says goodbye, without being told that it has closed."""
        self.left = None
        if self.open and self.transport is not None and not self.transport.is_close_frame_sent:
            self.resume()
            self.transport.send_close()

    def abort(self) -> None:
        if self.open and self.transport is not None:
            self.transport.disconnect(graceful=False)

    def on_ws_connected(self, transport: WSTransport) -> None:
        self.transport = transport

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        kind = frame.msg_type
        if kind == WSMsgType.TEXT and frame.fin:
            self.hear(self, frame.get_payload_as_utf8_text())
        elif kind == WSMsgType.PING:
            self.pings += 1
            transport.send_pong(frame.get_payload_as_bytes())
        elif kind == WSMsgType.PONG:
            self.pongs += 1
        elif kind == WSMsgType.CLOSE:
            self._closing(transport, frame)
        else:
            self._join(frame)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self.closed_at = time.monotonic()
        self.close_code = self.close_code or NO_FRAME
        if self.left:
            self.left(self)

    def pause_writing(self) -> None:
        """The other side does not read; picows keeps what was sent."""

    def resume_writing(self) -> None:
        pass

    def _join(self, frame: WSFrame) -> None:
        """A message in several frames, or a binary one."""
        self.parts = [*(self.parts or ()), frame.get_payload_as_bytes()]
        if frame.fin:
            text, self.parts = b"".join(self.parts).decode("utf-8", "replace"), None
            self.hear(self, text)

    def _closing(self, transport: WSTransport, frame: WSFrame) -> None:
        self.close_code = code_of(frame) or NO_CODE
        if not transport.is_close_frame_sent:
            transport.send_close()
        transport.disconnect()


def code_of(frame: WSFrame) -> int:
    """An enum's value for the known codes, else a number."""
    code: Any = frame.get_close_code()
    return int(getattr(code, "value", code))


def accepting(number: int, hear: Hear) -> Callable[[Any, Any], Connection]:
    """(!) Whoever hears has to be there before the first message, which may come with the handshake's last byte."""

    def accept(request: Any, response: Any) -> Connection:
        made = Connection(response.headers.get("X-Served-By", ""))
        made.number, made.hear = number, hear
        return made

    return accept


def narrow_socket(url: Any) -> socket.socket:
    """One that takes little before the sender has to wait."""
    family = socket.getaddrinfo(url.host, url.port, type=socket.SOCK_STREAM)[0][0]
    made = socket.socket(family, socket.SOCK_STREAM)
    made.setblocking(False)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_WINDOW_BYTES)
    return made


async def connect(
    url: str, tls: ssl.SSLContext | None = None, seconds: float = 10.0, narrow: bool = False, number: int = 0,
    hear: Hear = ignore,
) -> Connection:  # fmt: skip
    """Raises what failures.word() can name; `seconds` is for the handshake, and one more for the way there."""
    # (!) The outer limit comes later: a handshake that is cancelled, not timed out, leaves its socket open.
    async with asyncio.timeout(seconds + 1):
        _, listener = await ws_connect(
            accepting(number, hear), url, ssl_context=tls, websocket_handshake_timeout=seconds, logger_name=LOGGER,
            enable_auto_pong=False, max_frame_size=LARGEST_BYTES, max_redirects=0, use_aiofastnet=False,
            read_buffer_init_size=BUFFER_BYTES, socket_factory=narrow_socket if narrow else None,
        )  # fmt: skip
    if listener is None:
        raise Closed("closed during the handshake")
    return listener  # type: ignore[return-value]
