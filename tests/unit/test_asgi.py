"""The ASGI middleware, in front of an application that answers before it reads."""

import asyncio
from typing import Any

from core import asgi
from core.replica import Replica
from core.settings import Settings

REPLICA = Replica(Settings.from_env({"REPLICA": "r"}, "fastapi"))
BLOCK = b"x" * 65536


async def refuse(scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
    await asgi.answer(send, 413, "text/plain", b"no", {})


def order_of_events(blocks: int, **headers: str) -> list[str]:
    """What the server was asked for, by an application that refuses a body of so many blocks unread."""
    events: list[str] = []

    async def receive() -> asgi.Message:
        events.append("receive")
        return {"type": "http.request", "body": BLOCK, "more_body": events.count("receive") < blocks}

    async def send(message: asgi.Message) -> None:
        events.append(message["type"])

    sent = {"content-length": str(blocks * len(BLOCK))} | {
        name.replace("_", "-"): value for name, value in headers.items()
    }
    scope: dict[str, Any] = {"type": "http", "method": "POST", "path": "/messages", "scheme": "http", "client": None}
    scope["headers"] = [(name.encode(), value.encode()) for name, value in sent.items()]
    asyncio.run(asgi.Middleware(refuse, REPLICA)(scope, receive, send))
    return events


def test_an_early_answer_waits_for_the_end_of_the_request() -> None:
    assert order_of_events(3) == ["receive"] * 3 + ["http.response.start", "http.response.body"]


def test_a_huge_body_is_not_waited_for() -> None:
    assert order_of_events(10_000).count("receive") == asgi.DRAIN_BYTES // len(BLOCK)


def test_a_body_that_waits_for_100_continue_is_not_asked_for() -> None:
    assert "receive" not in order_of_events(3, expect="100-continue")


def test_a_request_without_a_body_is_answered_at_once() -> None:
    assert "receive" not in order_of_events(0)


async def refuse_and_read_on(scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
    """As Quart does: a task of its own receives until the client leaves."""

    async def read_on() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    reading = asyncio.ensure_future(read_on())
    await asyncio.sleep(0)
    await refuse(scope, receive, send)
    reading.cancel()


def test_an_application_that_reads_beside_its_answer_does_not_hold_it_up() -> None:
    async def answered() -> list[str]:
        arriving: asyncio.Queue[asgi.Message] = asyncio.Queue()
        sent: list[str] = []

        async def send(message: asgi.Message) -> None:
            sent.append(message["type"])

        scope = {"type": "http", "method": "POST", "path": "/echo", "scheme": "http", "client": None}
        scope["headers"] = [(b"content-length", b"2")]
        running = asyncio.ensure_future(asgi.Middleware(refuse_and_read_on, REPLICA)(scope, arriving.get, send))
        await asyncio.sleep(0.01)  # by then both wait for the one message there is
        arriving.put_nowait({"type": "http.request", "body": b"xx"})
        await asyncio.wait_for(running, 2)
        return sent

    assert asyncio.run(answered()) == ["http.response.start", "http.response.body"]
