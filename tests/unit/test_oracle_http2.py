"""The oracle's HTTP/2: it accuses no server of a loss that the protocol allows for, and lets none pass."""

import asyncio
from typing import Any

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import RequestReceived, StreamReset

from deploy.ports import free_port
from loadtests.oracle import http2
from loadtests.oracle.client import context
from loadtests.oracle.http1 import Answer, Lost
from loadtests.oracle.http2 import Connection, Http2, Seat, Unbegun

REQUEST = [(":method", "GET"), (":scheme", "https"), (":authority", "localhost"), (":path", "/")]


class Wire:
    """A transport, and the server at its other end."""

    def __init__(self) -> None:
        self.client, self.server = Connection(), H2Connection(H2Configuration(client_side=False))
        self.closing, self.events = False, list[Any]()
        self.server.initiate_connection()
        self.client.connection_made(self)
        self.deliver()

    def write(self, data: bytes) -> None:
        self.events += self.server.receive_data(data)

    def deliver(self) -> None:
        self.client.data_received(self.server.data_to_send())

    def answer(self, stream: int, body: bytes = b"ok") -> None:
        self.server.send_headers(stream, [(":status", "200"), ("x-served-by", "flask/flask-1/1")])
        self.server.send_data(stream, body, end_stream=True)
        self.deliver()

    def leave(self, last: int) -> None:
        """GOAWAY as nginx sends it: without a fault, and what was begun goes on."""
        state = self.server.state_machine.state
        self.server.close_connection(ErrorCodes.NO_ERROR, last_stream_id=last)
        self.server.state_machine.state = state
        self.deliver()

    def is_closing(self) -> bool:
        return self.closing

    def close(self) -> None:
        self.closing = True

    abort = close


async def asking(wire: Wire, count: int = 1) -> list["asyncio.Task[Answer]"]:
    tasks = [asyncio.create_task(wire.client.ask(REQUEST, None)) for _ in range(count)]
    await asyncio.sleep(0)
    assert sum(isinstance(each, RequestReceived) for each in wire.events) == count
    return tasks


def test_answers_find_their_requests() -> None:
    async def run() -> None:
        wire = Wire()
        first, second = await asking(wire, 2)
        wire.answer(3, b"second")
        wire.answer(1, b"first")

        assert (await first).body == b"first"
        assert (await second)[0::2] == (200, b"second") and (await second).headers["x-served-by"] == "flask/flask-1/1"

    asyncio.run(run())


def test_what_was_begun_before_goaway_is_answered_after_it() -> None:
    async def run() -> None:
        wire = Wire()
        (task,) = await asking(wire)
        wire.leave(last=1)
        assert not wire.client.free and not wire.closing
        wire.answer(1)

        assert (await task).status == 200
        assert wire.closing  # nothing is left to wait for

    asyncio.run(run())


def test_what_was_not_begun_before_goaway_may_be_sent_elsewhere() -> None:
    async def run() -> None:
        wire = Wire()
        first, second = await asking(wire, 2)
        wire.leave(last=1)
        wire.answer(1)

        assert (await first).status == 200
        with pytest.raises(Unbegun):
            await second

    asyncio.run(run())


@pytest.mark.parametrize(
    ("code", "expected"), [(ErrorCodes.REFUSED_STREAM, Unbegun), (ErrorCodes.INTERNAL_ERROR, Lost)]
)
def test_only_a_stream_that_was_refused_may_be_sent_again(code: ErrorCodes, expected: type[Exception]) -> None:
    async def run() -> None:
        wire = Wire()
        (task,) = await asking(wire)
        wire.server.reset_stream(1, code)
        wire.deliver()

        with pytest.raises(expected):
            await task

    asyncio.run(run())


@pytest.mark.parametrize("error", [None, ConnectionResetError("reset")])
def test_a_connection_that_ends_loses_what_was_open_on_it(error: Exception | None) -> None:
    async def run() -> None:
        wire = Wire()
        (task,) = await asking(wire)
        wire.server.send_headers(1, [(":status", "200")])  # half of an answer is none
        wire.deliver()
        wire.client.connection_lost(error)

        with pytest.raises(Lost) as lost:
            await task
        assert lost.value.sent and not wire.client.free

    asyncio.run(run())


def test_a_request_that_is_not_answered_in_time_is_lost_and_the_others_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http2, "SECONDS", 0.05)

    async def run() -> None:
        wire = Wire()
        (slow,) = await asking(wire)
        with pytest.raises(Lost, match="no answer in"):
            await slow
        (next_one,) = await asking_one_more(wire)
        wire.answer(3)

        assert any(isinstance(each, StreamReset) for each in wire.events)
        assert (await next_one).status == 200

    async def asking_one_more(wire: Wire) -> list["asyncio.Task[Answer]"]:
        wire.events = [each for each in wire.events if not isinstance(each, RequestReceived)]
        return await asking(wire)

    asyncio.run(run())


class Refusing:
    """A connection whose server says each time that it has not begun."""

    free, tries = True, 0

    async def ask(self, *_: object) -> Answer:
        self.tries += 1
        raise Unbegun


def test_a_request_is_not_sent_for_ever() -> None:
    async def run() -> None:
        client = Http2("https://127.0.0.1:1", None)  # type: ignore[arg-type]
        refusing = Refusing()
        for each in client.seats:
            each.connection = refusing  # type: ignore[assignment]

        with pytest.raises(Lost, match="not begun, 3 times"):
            await client.ask("GET", "/", None, {})
        assert refusing.tries == http2.TRIES

    asyncio.run(run())


def test_those_who_cannot_connect_say_so_and_that_nothing_was_sent() -> None:
    async def run() -> None:
        client = Http2(f"https://127.0.0.1:{free_port()}", context("h2"))
        found = await asyncio.gather(*(client.ask("GET", "/", None, {}) for _ in range(10)), return_exceptions=True)

        assert all(isinstance(each, Lost) and not each.sent and "ConnectionRefused" in str(each) for each in found)

    asyncio.run(run())


def test_a_server_that_closes_each_connection_at_once_is_not_asked_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    closed = Wire()
    closed.close()
    tries = []

    async def connect(seat: Seat) -> Connection:
        tries.append(seat)
        return closed.client

    async def run() -> None:
        monkeypatch.setattr(Seat, "connect", connect)
        with pytest.raises(Lost, match="closed at once") as lost:
            await Http2("https://127.0.0.1:1", context()).ask("GET", "/", None, {})
        assert not lost.value.sent and len(tries) == http2.TRIES

    asyncio.run(run())
