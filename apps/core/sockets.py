"""WebSockets over the plain ASGI interface: echo, and a chat that every replica shares."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

from core import asgi, params
from core.errors import JSON_TYPE, Problem, not_found, unprocessable
from core.feed import AsyncFeed, Ended, Reader
from core.settings import MIB
from core.stopping import stopping, told

LIMIT_BYTES = MIB
TOO_BIG, RESTART, TRY_LATER = 1009, 1012, 1013
Store = Callable[[str, str], Awaitable[dict[str, Any]]]


class Gone(Exception):
    """The client closed the socket, or a message too big for it did."""


class Socket:
    def __init__(self, receive: asgi.Receive, send: asgi.Send) -> None:
        self._receive = receive
        self._send = send

    async def accept(self) -> None:
        await self._send({"type": "websocket.accept"})

    async def receive(self) -> str | bytes:
        """The next message, text or binary; the application itself refuses what is over 1 MiB."""
        while (message := await self._receive())["type"] == "websocket.connect":
            pass
        if message["type"] == "websocket.disconnect":
            raise Gone
        text = message.get("text")
        payload = message["bytes"] if text is None else text
        if len(payload if text is None else text.encode()) > LIMIT_BYTES:
            await self.close(TOO_BIG)
            raise Gone
        return payload

    async def send(self, payload: str | bytes) -> None:
        kind = "text" if isinstance(payload, str) else "bytes"
        try:
            await self._send({"type": "websocket.send", kind: payload})
        except (OSError, RuntimeError) as error:  # the client left while we were sending
            raise Gone from error

    async def close(self, code: int) -> None:
        await self._send({"type": "websocket.close", "code": code})


async def deny(scope: asgi.Scope, send: asgi.Send, problem: Problem) -> None:
    """Refuses the handshake with the error shape, where the server can; else with its bare 403."""
    if "websocket.http.response" not in scope.get("extensions", {}):
        return await send({"type": "websocket.close"})
    body = json.dumps(problem.body).encode()
    headers = [(b"content-type", JSON_TYPE.encode()), (b"content-length", str(len(body)).encode())]
    await send({"type": "websocket.http.response.start", "status": problem.status, "headers": headers})
    await send({"type": "websocket.http.response.body", "body": body})


async def echo(scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
    socket = Socket(receive, send)
    await receive()
    await socket.accept()
    await first_to_end(repeat(socket), leave(socket))


async def repeat(socket: Socket) -> None:
    while True:
        await socket.send(await socket.receive())


async def leave(socket: Socket) -> None:
    """Few servers do it: most wait for their sockets, or cut them without a word."""
    await told()
    await socket.close(RESTART)


async def only_echo(scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
    """Every WebSocket of an application without a database."""
    if asgi.own_path(scope) == "/ws/echo":
        return await echo(scope, receive, send)
    await receive()
    await deny(scope, send, no_socket())


def no_socket() -> Problem:
    return not_found("No WebSocket answers at this path.")


async def chat(scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send, feed: AsyncFeed, store: Store) -> None:
    await receive()
    try:
        check_origin(scope)
        after = asgi.query(scope).optional("after")
        reader = await feed.reader(after).__aenter__()
    except Problem as problem:
        return await deny(scope, send, problem)
    socket = Socket(receive, send)
    try:
        await socket.accept()
        await first_to_end(hear(socket, reader), say(socket, store))
    finally:
        await reader.__aexit__()


async def first_to_end(*parts: Awaitable[object]) -> None:
    tasks = [asyncio.ensure_future(part) for part in parts]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        for result in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(result, Exception) and not isinstance(result, Gone):
                raise result


async def hear(socket: Socket, reader: Reader) -> None:
    try:
        async for stored in reader.replay():
            await socket.send(stored.json)
        while new := await reader.next():
            await socket.send(new.json)
    except Ended:
        await socket.close(RESTART if stopping() else TRY_LATER)


async def say(socket: Socket, store: Store) -> None:
    while True:
        payload = await socket.receive()
        try:
            await store(*params.message(text_only(payload).encode()))
        except Problem as problem:
            await socket.send(json.dumps(problem.body))


def text_only(payload: str | bytes) -> str:
    if isinstance(payload, bytes):
        raise unprocessable("The message is binary; send JSON as text.")
    return payload


def check_origin(scope: asgi.Scope) -> None:
    """A browser tells which page opened the socket; only pages of this very host may."""
    origin = asgi.header(scope, "origin")
    if origin is None:
        return
    given = urlsplit(origin.lower())
    if (given.scheme, given.netloc) != (asgi.http_scheme(scope), (asgi.header(scope, "host") or "").lower()):
        raise Problem(403, "A page of another origin may not open this socket.")
