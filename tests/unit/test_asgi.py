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
