"""A WebSocket user for Locust: connects, sends and receives; each echo, wait and handshake is a request of type WS.

A greenlet per connection reads, so that pings of the server are answered while the user waits or thinks.
"""

import random
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import gevent
import websocket
from gevent.queue import Empty, Queue
from locust import User
from websocket import ABNF

from loadtests.sockets.address import websocket_url
from loadtests.sockets.errors import Unusable
from loadtests.users.sockets import SocketFailure, SocketTimeout, failure_of

NO_CODE = 1005
CLOSES = {1009: "message too big", 1012: "service restart", 1013: "try again later", 1011: "internal error",
          NO_CODE: "without a code", 1000: "normal", 1001: "going away"}  # fmt: skip
Payload = str | bytes


class Link:
    """One open connection, and what has arrived on it; `failure` says why it is not open any more."""

    def __init__(self, socket: websocket.WebSocket, ping_seconds: float) -> None:
        self.socket, self.ping_seconds = socket, ping_seconds
        self.arrived: Queue[Payload | None] = Queue()  # None: nothing more will come
        self.failure: SocketFailure | None = None
        socket.settimeout(ping_seconds)
        self.reader = gevent.spawn(self.read)

    def read(self) -> None:
        try:
            while not self.failure:
                self.take(*self.frame())
        except (websocket.WebSocketException, OSError) as error:
            self.end(failure_of(error))

    def frame(self) -> tuple[int, bytes]:
        """The next one, of whatever kind. After a long silence asks whether the other side is there."""
        try:
            return self.socket.recv_data(control_frame=True)
        except websocket.WebSocketTimeoutException:
            self.socket.ping()
        try:
            return self.socket.recv_data(control_frame=True)
        except websocket.WebSocketTimeoutException:
            raise SocketTimeout(f"no answer to a ping within {self.ping_seconds:g} s") from None

    def take(self, kind: int, data: bytes) -> None:
        if kind == ABNF.OPCODE_TEXT:
            self.arrived.put(data.decode("utf-8", "replace"))
        elif kind == ABNF.OPCODE_BINARY:
            self.arrived.put(data)
        elif kind == ABNF.OPCODE_CLOSE:
            self.end(closed(int.from_bytes(data[:2], "big") or NO_CODE))

    def end(self, failure: SocketFailure) -> None:
        self.failure = failure
        self.arrived.put(None)

    def next(self, seconds: float) -> Payload:
        try:
            got = self.arrived.get(timeout=seconds)
        except Empty:
            raise SocketFailure(f"no message within {seconds:g} s") from None
        if got is None:
            raise self.failure or SocketFailure("closed by the scenario")
        return got

    def send(self, payload: Payload) -> None:
        if self.failure:
            raise self.failure
        self.socket.send(payload, ABNF.OPCODE_TEXT if isinstance(payload, str) else ABNF.OPCODE_BINARY)

    def close(self) -> None:
        """(!) Not by socket.close(): it swallows whatever is raised while it waits, the end of the user included."""
        self.reader.kill(block=False)
        with suppress(websocket.WebSocketException, OSError):
            self.socket.send_close()
        self.socket.shutdown()


def closed(code: int) -> SocketFailure:
    return SocketFailure(f"closed with {code} ({CLOSES.get(code, 'unknown')})")


class WebSocketUser(User):
    """`self.echo("hello")` is a whole scenario: it connects to `path` below the host when it has to.

    Nothing raises: what goes wrong is a failed request of type WS, and the next call connects again. A feed goes on where
    it broke off: `path = "/fastapi/ws/chat?after={last}"`, and `self.last = row["id"]` for every row.
    """

    abstract = True
    path = "/ws/echo"
    timeout = 10.0  # seconds for a handshake or a message
    ping_seconds = 20.0  # of silence, before we ask whether the other side is there
    retry_seconds = 1.0  # after a handshake that failed
    jitter_seconds = 1.0  # at most, before one that broke is opened again: not everybody in the same moment
    last: object = 0  # stands for {last} in the path
    sslopt: dict[str, Any] = {}  # of websocket-client, such as {"ca_certs": "ca.pem"}
    _link: Link | None = None
    _broke = False

    def connect(self, path: str = "") -> bool:
        """Opens `path`, below the host; timed as `connect PATH`."""
        self.disconnect()
        self.path = path or self.path
        if self._broke:
            gevent.sleep(random.uniform(0, self.jitter_seconds))
            self._broke = False
        self._link = self._timed(f"connect {self._route}", self._handshake)
        if self._link is None:
            gevent.sleep(self.retry_seconds)
        return self._link is not None

    def disconnect(self) -> None:
        if self._link:
            self._link.close()
        self._link = None

    def send(self, payload: Payload) -> bool:
        """Text or bytes; told to Locust only when it fails."""
        return (
            self._ready() and self._timed(f"send {self._route}", lambda: self._send(payload), untimed=True) is not None
        )

    def receive(self, timeout: float | None = None, name: str = "") -> Payload | None:
        """The next message, timed as a wait for it; None when that failed."""
        return self._timed(name or f"receive {self._route}", lambda: self._next(timeout)) if self._ready() else None

    def echo(self, payload: Payload, name: str = "", timeout: float | None = None) -> Payload | None:
        """Sends, and waits for the same to come back; None when that failed."""
        return self._timed(name or self._route, lambda: self._echo(payload, timeout)) if self._ready() else None

    def _handshake(self) -> Link:
        url = websocket_url(self.host or "", self.path.replace("{last}", str(self.last)))
        socket = websocket.create_connection(url, timeout=self.timeout, sslopt=self.sslopt, redirect_limit=0)
        return Link(socket, self.ping_seconds)

    def _ready(self) -> bool:
        """Connected, or just closed: that is a failure of the call that comes upon it."""
        return self._link is not None or self.connect()

    def _send(self, payload: Payload) -> Payload:
        assert self._link
        self._link.send(payload)
        return payload

    def _next(self, timeout: float | None) -> Payload:
        assert self._link
        return self._link.next(self.timeout if timeout is None else timeout)

    def _echo(self, payload: Payload, timeout: float | None) -> Payload:
        self._send(payload)
        if (answer := self._next(timeout)) != payload:
            raise SocketFailure("the echo differs from what was sent")
        return answer

    @property
    def _route(self) -> str:
        return self.path.partition("?")[0]

    def _timed(self, name: str, work: Callable[[], Any], untimed: bool = False) -> Any:
        """What `work` returns, told to Locust; None when it failed, and then the connection is given up.

        (!) Given up even after a timeout: an answer that comes later would be taken for that of the next call.
        """
        start, result, failure = time.perf_counter(), None, None
        try:
            result = work()
        except (websocket.WebSocketException, OSError, SocketFailure, Unusable) as error:
            failure = failure_of(error)
            self._broke = self._link is not None
            self.disconnect()
        if failure or not untimed:
            self._tell(name, None if untimed else (time.perf_counter() - start) * 1000, result, failure)
        return result

    def _tell(self, name: str, milliseconds: float | None, result: Any, failure: Exception | None) -> None:
        self.environment.events.request.fire(
            request_type="WS", name=name, response_time=milliseconds, exception=failure, context=self.context(),
            response_length=len(result) if isinstance(result, str | bytes) else 0, start_time=time.time(), url=self.path,
        )  # fmt: skip

    def run(self) -> None:  # type: ignore[misc]
        try:
            super().run()
        finally:
            self.disconnect()
