"""A user for Locust that reads server-sent events, and comes back with Last-Event-ID when the stream ends."""

import http.client
import json
import socket
import ssl
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import gevent
import gevent.event
from gevent.queue import Empty, Queue
from locust import User

from loadtests.sockets import stamp
from loadtests.users.eventstream import Event, Stream
from loadtests.users.sockets import SocketFailure, failure_of

RETRY_SECONDS = 1.0  # until the server says otherwise
STREAM = "text/event-stream"


class EventStreamUser(User):
    """`self.next_event()` is a whole scenario: it opens `path` below the host when it has to.

    Requests of type SSE: `PATH` with the time to the first byte, and `PATH event` for every event, with its delivery
    time where the message says when it was sent (a stamp), else untimed.
    """

    abstract = True
    path = "/events"
    timeout = 10.0  # seconds for a connection and its first byte
    silence = 45.0  # seconds without a byte, after which a stream is dead (the contract comments each 15)
    tls: ssl.SSLContext | None = None
    last_id = ""
    _reader: gevent.Greenlet | None = None

    def next_event(self, timeout: float | None = None) -> Event | None:
        """Waits for it; None when the time is up (no failure: nobody may have spoken) or the stream failed."""
        self.listen()
        try:
            got = self._arrived.get(timeout=self.timeout if timeout is None else timeout)
        except Empty:
            return None
        if got is None:
            return None
        self.last_id = got.id or self.last_id
        return got

    def listen(self) -> None:
        """Opens the stream, unless it is open: from then on everything that is sent arrives."""
        if self._reader is None or self._reader.dead:
            self._arrived: Queue[Event | None] = Queue()
            self._retry = RETRY_SECONDS
            opened = gevent.event.Event()
            self._reader = gevent.spawn(self._read, opened)
            opened.wait(self.timeout)

    def _read(self, opened: gevent.event.Event) -> None:
        """Streams, one after the other, for as long as the user lives."""
        newest = self.last_id
        while True:
            try:
                for event in self._open(newest, opened):
                    newest = event.id or newest
                    self._tell(f"{self.path} event", delivery(event), len(event.data))
                    self._arrived.put(event)
                raise SocketFailure("the stream ended")
            except SocketFailure as failure:
                self._tell(f"{self.path} event", None, 0, failure)
            except (OSError, http.client.HTTPException) as error:
                self._tell(f"{self.path} event", None, 0, failure_of(error))
            except Refused:
                pass  # told already
            opened.set()
            self._arrived.put(None)
            gevent.sleep(self._retry)

    def _open(self, last_id: str, opened: gevent.event.Event) -> Iterator[Event]:
        start = time.perf_counter()
        failure: SocketFailure | None = None
        connection: http.client.HTTPConnection | None = None
        try:
            connection = self._connection()
            stream = self._request(connection, last_id)
        except (OSError, ValueError, http.client.HTTPException, SocketFailure) as error:
            failure = failure_of(error)
        self._tell(self.path, (time.perf_counter() - start) * 1000, 0, failure)
        try:
            if failure:
                raise Refused
            opened.set()
            yield from self._events(stream)
        finally:
            if connection:
                connection.close()

    def _events(self, stream: Stream) -> Iterator[Event]:
        for event in stream:
            self._retry = stream.retry or self._retry
            yield event

    def _connection(self) -> http.client.HTTPConnection:
        parts = urlsplit(self.host or "")
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise SocketFailure(f"{self.host!r} is no address; write http://HOST:PORT/SERVICE")
        if parts.scheme == "https":
            return http.client.HTTPSConnection(parts.hostname, parts.port, timeout=self.timeout, context=self.tls)
        return http.client.HTTPConnection(parts.hostname, parts.port, timeout=self.timeout)

    def _request(self, connection: http.client.HTTPConnection, last_id: str) -> Stream:
        headers = {"Accept": STREAM, "Cache-Control": "no-store"} | ({"Last-Event-ID": last_id} if last_id else {})
        connection.request("GET", urlsplit(self.host or "").path.rstrip("/") + self.path, headers=headers)
        wire: socket.socket = connection.sock
        answer = connection.getresponse()
        if answer.status != 200:
            raise SocketFailure(f"{answer.status}")
        if not answer.headers.get("Content-Type", "").startswith(STREAM):
            raise SocketFailure(f"the answer is no {STREAM}")
        stream = Stream(answer)
        wire.settimeout(self.silence)
        return stream

    def _tell(self, name: str, milliseconds: float | None, length: int, failure: Exception | None = None) -> None:
        self.environment.events.request.fire(
            request_type="SSE", name=name, response_time=milliseconds, response_length=length, exception=failure,
            context=self.context(), start_time=time.time(), url=self.path,
        )  # fmt: skip

    def run(self) -> None:  # type: ignore[misc]
        try:
            super().run()
        finally:
            if self._reader:
                self._reader.kill(block=False)


class Refused(Exception):
    """The stream did not open; Locust knows."""


def delivery(event: Event) -> float | None:
    """Milliseconds since the message was sent, if it carries a stamp."""
    try:
        found = stamp.read(json.loads(event.data)["text"])
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    return (event.arrived - found.sent) * 1000 if found else None
