"""HTTP/2 that believes GOAWAY: what was begun is still answered, what was not goes to another connection.

httpx takes GOAWAY for a failure of every open request (encode/httpcore, `_receive_events`), and nginx sends one at each
reload and after 1000 requests of a connection: such a client would report losses that a browser does not have.
"""

import asyncio
import ssl
from collections.abc import Callable, Mapping
from itertools import cycle
from typing import Any
from urllib.parse import urlsplit

from h2 import events
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.exceptions import ProtocolError

from loadtests.oracle.http1 import CONNECT_SECONDS, SECONDS, Answer, Lost, words

CONNECTIONS = 4
CONFIG = H2Configuration(client_side=True, header_encoding="utf-8")
WINDOW_BYTES = 2**20
TRIES = 3  # of a request that servers say they have not begun


class Unbegun(Exception):
    """The server says that it did not look at this request (RFC 9113, 6.8 and 8.7): sending it again is no repetition."""


class Patient(H2Connection):
    def _receive_goaway_frame(self, frame: Any) -> Any:
        """h2 calls the connection closed and refuses the answers that still come."""
        state = self.state_machine.state
        found = super()._receive_goaway_frame(frame)
        self.state_machine.state = state
        return found


class Exchange:
    """One request and what has come of its answer."""

    def __init__(self) -> None:
        self.status, self.headers, self.body = 0, dict[str, str](), b""
        self.answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()

    def end(self) -> None:
        if not self.answer.done():
            self.answer.set_result(Answer(self.status, self.headers, self.body))

    def fail(self, error: Exception) -> None:
        if not self.answer.done():
            self.answer.set_exception(error)


class Connection(asyncio.Protocol):
    def __init__(self) -> None:
        self.h2 = Patient(CONFIG)
        self.open: dict[int, Exchange] = {}
        self.leaving = False  # takes no new requests

    @property
    def free(self) -> bool:
        room = self.h2.remote_settings.max_concurrent_streams
        return not self.leaving and not self.transport.is_closing() and len(self.open) < room

    async def ask(self, headers: list[tuple[str, str]], body: bytes | None) -> Answer:
        """Raises Lost or Unbegun."""
        number = self.h2.get_next_available_stream_id()
        exchange = self.open[number] = Exchange()
        self.h2.send_headers(number, headers, end_stream=body is None)
        if body is not None:
            self.h2.send_data(number, body, end_stream=True)
        self.flush()
        try:
            async with asyncio.timeout(SECONDS):
                return await exchange.answer
        except TimeoutError:
            self.h2.reset_stream(number, ErrorCodes.CANCEL)
            self.flush()
            raise Lost(f"no answer in {SECONDS:g} s") from None
        finally:
            self.open.pop(number, None)
            if self.leaving and not self.open:
                self.transport.close()

    def connection_made(self, transport: Any) -> None:
        self.transport: asyncio.Transport = transport
        self.h2.initiate_connection()
        self.h2.increment_flow_control_window(WINDOW_BYTES)
        self.flush()

    def data_received(self, data: bytes) -> None:
        try:
            for event in self.h2.receive_data(data):
                if take := TAKE.get(type(event)):
                    take(self, event)
            self.flush()
        except ProtocolError as error:
            self.give_up(words(error))
            self.transport.abort()

    def connection_lost(self, error: Exception | None) -> None:
        self.give_up(words(error) if error else "the connection was closed")

    def give_up(self, word: str) -> None:
        self.leaving = True
        for each in list(self.open.values()):
            each.fail(Lost(word))

    def flush(self) -> None:
        if data := self.h2.data_to_send():
            self.transport.write(data)

    def begun(self, event: events.ResponseReceived) -> None:
        if exchange := self.open.get(event.stream_id):
            exchange.headers = {str(name): str(value) for name, value in event.headers}
            exchange.status = int(exchange.headers[":status"])

    def more(self, event: events.DataReceived) -> None:
        self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        if exchange := self.open.get(event.stream_id):
            exchange.body += event.data

    def ended(self, event: events.StreamEnded) -> None:
        if exchange := self.open.get(event.stream_id):
            exchange.end()

    def reset(self, event: events.StreamReset) -> None:
        if exchange := self.open.get(event.stream_id):
            refused = event.error_code == ErrorCodes.REFUSED_STREAM
            exchange.fail(Unbegun() if refused else Lost(f"the stream was reset, {event.error_code!r}"))

    def going_away(self, event: events.ConnectionTerminated) -> None:
        self.leaving = True
        for number, each in list(self.open.items()):
            if number > (event.last_stream_id or 0):
                each.fail(Unbegun())


TAKE: dict[type, Callable[[Connection, Any], None]] = {
    events.ResponseReceived: Connection.begun,
    events.DataReceived: Connection.more,
    events.StreamEnded: Connection.ended,
    events.StreamReset: Connection.reset,
    events.ConnectionTerminated: Connection.going_away,
}


class Seat:
    """A client's one connection, made anew when it is gone, full or told to leave."""

    def __init__(self, host: str, port: int, tls: ssl.SSLContext) -> None:
        self.host, self.port, self.tls = host, port, tls
        self.connection: Connection | None = None
        self.connecting: asyncio.Task[Connection] | None = None

    async def connected(self) -> Connection:
        """Raises Lost. Who asks meanwhile waits for the same connection, and fails with it."""
        for _ in range(TRIES):
            if self.connection and self.connection.free:
                return self.connection
            if self.connecting is None or self.connecting.done():
                self.connecting = asyncio.create_task(self.connect())
            try:
                self.connection = await asyncio.shield(self.connecting)
            except (OSError, TimeoutError) as error:
                raise Lost(words(error), sent=False) from None
        raise Lost(f"{TRIES} connections were closed at once", sent=False)

    async def connect(self) -> Connection:
        async with asyncio.timeout(CONNECT_SECONDS):
            loop = asyncio.get_running_loop()
            return (await loop.create_connection(Connection, self.host, self.port, ssl=self.tls))[1]


class Http2:
    def __init__(self, url: str, tls: ssl.SSLContext) -> None:
        """`tls` offers h2 by ALPN; the certificate is somebody else's question."""
        parts = urlsplit(url)
        self.url, self.authority = url, parts.netloc
        self.seats = [Seat(parts.hostname or "", parts.port or 443, tls) for _ in range(CONNECTIONS)]
        self.next = cycle(self.seats)

    async def ask(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> Answer:
        """Raises Lost."""
        first = {":method": method, ":scheme": "https", ":authority": self.authority, ":path": path}
        fields = [*first.items(), *((name.lower(), value) for name, value in headers.items())]
        seat = next(self.next)
        for _ in range(TRIES):
            connection = await seat.connected()
            try:
                return await connection.ask(fields, body)
            except Unbegun:
                continue
        raise Lost(f"not begun, {TRIES} times")

    async def close(self) -> None:
        for each in self.seats:
            if each.connection:
                each.connection.transport.close()
