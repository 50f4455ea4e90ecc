"""The bare ASGI callable as asgiref's testing tools see it: message by message, without a server."""

import asyncio
import multiprocessing
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import pytest
from asgiref.testing import ApplicationCommunicator

from tests.contract import FRAMEWORKS
from tests.inprocess.child import load

Message = dict[str, Any]
Talk = Callable[[ApplicationCommunicator], Awaitable[Any]]
HTTP: Message = {"type": "http", "method": "GET", "scheme": "http", "query_string": b"", "headers": []}
SOCKET: Message = {"type": "websocket", "scheme": "ws", "query_string": b"", "headers": []}
LIFESPAN: Message = {"type": "lifespan"}
REFUSES = {"extensions": {"websocket.http.response": {}}}


def hold(scope: Message, talk: Talk) -> Any:
    async def conversation() -> Any:
        return await talk(ApplicationCommunicator(load(FRAMEWORKS["bare-asgi"]), scope))

    return asyncio.run(conversation())


@pytest.fixture(scope="module")
def talk() -> Iterator[Callable[[Message, Talk], Any]]:
    """Talks in a process of its own, as every application here has one."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        yield lambda scope, talk: pool.submit(hold, scope, talk).result(30)


async def whole_answer(app: ApplicationCommunicator) -> list[Message]:
    await app.send_input({"type": "http.request", "body": b"he", "more_body": True})
    await app.send_input({"type": "http.request", "body": b"llo"})
    answer = [await app.receive_output(5)]
    while answer[-1]["type"] == "http.response.start" or answer[-1].get("more_body"):
        answer.append(await app.receive_output(5))
    await app.wait(5)
    return answer


def body(answer: list[Message]) -> bytes:
    return b"".join(message["body"] for message in answer[1:])


def test_a_request_is_answered_by_a_start_and_a_body(talk):
    answer = talk(HTTP | {"path": "/json"}, whole_answer)

    assert [message["type"] for message in answer] == ["http.response.start", "http.response.body"]
    assert (answer[0]["status"], body(answer)) == (200, b'{"message": "Hello, World!"}')
    assert all(type(part) is bytes for pair in answer[0]["headers"] for part in pair)
    assert all(name == name.lower() for name, _ in answer[0]["headers"])


def test_a_body_in_two_messages_is_echoed(talk):
    assert body(talk(HTTP | {"method": "POST", "path": "/echo"}, whole_answer)) == b"hello"


def test_a_stream_is_a_message_for_each_line_and_an_end(talk):
    answer = talk(HTTP | {"path": "/stream", "query_string": b"chunks=3&ms=1"}, whole_answer)

    assert [message["body"] for message in answer[1:]] == [b'{"chunk":0}\n', b'{"chunk":1}\n', b'{"chunk":2}\n', b""]


async def begin_and_leave(app: ApplicationCommunicator) -> tuple[list[Message], bool]:
    await app.send_input({"type": "http.request"})
    begun = [await app.receive_output(5), await app.receive_output(5)]
    quiet = await app.receive_nothing()
    await app.send_input({"type": "http.disconnect"})
    await app.wait(5)
    return begun, quiet


def test_events_begin_with_retry_then_wait_and_end_with_the_client(talk):
    begun, quiet = talk(HTTP | {"path": "/events"}, begin_and_leave)

    assert dict(begun[0]["headers"])[b"content-type"].startswith(b"text/event-stream")
    assert begun[1]["body"] == b"retry: 1000\n\n"
    assert quiet


async def echoes(app: ApplicationCommunicator) -> list[Message]:
    await app.send_input({"type": "websocket.connect"})
    answers = [await app.receive_output(5)]
    for message in ({"text": "hello"}, {"text": ""}, {"bytes": b"\x00\xff"}, {"bytes": b""}, {"text": "x" * 1_048_577}):
        await app.send_input({"type": "websocket.receive", **message})
        answers.append(await app.receive_output(5))
    await app.wait(5)
    return answers


def test_a_websocket_echoes_text_and_bytes_and_closes_at_what_is_too_large(talk):
    accepted, *echoed, closed = talk(SOCKET | {"path": "/ws/echo"}, echoes)

    assert accepted["type"] == "websocket.accept"
    assert b"x-request-id" in dict(accepted["headers"])
    send = {"type": "websocket.send"}
    assert echoed == [
        send | {"text": "hello"},
        send | {"text": ""},
        send | {"bytes": b"\x00\xff"},
        send | {"bytes": b""},
    ]
    assert closed == {"type": "websocket.close", "code": 1009}


async def refusal(app: ApplicationCommunicator) -> list[Message]:
    await app.send_input({"type": "websocket.connect"})
    answers = [await app.receive_output(5), await app.receive_output(5)]
    await app.wait(5)
    return answers


def test_a_websocket_elsewhere_is_refused_with_404(talk):
    start, _ = talk(SOCKET | REFUSES | {"path": "/ws/chat"}, refusal)

    assert (start["type"], start["status"]) == ("websocket.http.response.start", 404)


async def one_life(app: ApplicationCommunicator) -> list[str]:
    said = []
    for moment in ("startup", "shutdown"):
        await app.send_input({"type": f"lifespan.{moment}"})
        said.append((await app.receive_output(5))["type"])
    await app.wait(5)
    return said


def test_lifespan_is_answered(talk):
    assert talk(LIFESPAN, one_life) == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
