"""The middleware of every ASGI application, written to the interface alone (ASGI 3)."""

import asyncio
import json
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, MutableMapping
from contextlib import aclosing
from typing import Any

from core import logs, metrics, params, stopping
from core.errors import JSON_TYPE, Problem, not_allowed
from core.forwarded import Trust, id_of
from core.replica import Replica

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

# A body larger than this is not waited for before the answer; it would cost more than the connection.
DRAIN_BYTES = 16 * 1024 * 1024
ANSWERS = ("http.response.start", "websocket.accept", "websocket.http.response.start")


class Middleware:
    """Applies the edge's headers; adds X-Served-By, X-Request-ID and Server-Timing; measures; answers /metrics.

    A HEAD reaches the application as a GET with scope["ponte.head"]; its body is not sent.
    """

    def __init__(self, app: App, replica: Replica) -> None:
        self.app = app
        self.replica = replica
        self.trust = Trust(replica.settings.forwarded_allow_ips)
        self.watching = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not self.watching:
            # The first scope, be it lifespan or a request: by then the server has set its own handler.
            self.watching = True
            stopping.watch()
        if scope["type"] == "lifespan":
            return await self.app(scope, receive, send)
        request = Request(scope, receive, send, self.replica)
        request.apply(self.trust)
        app = metrics_page if request.path == "/metrics" and scope["type"] == "http" else self.app
        try:
            await app(request.scope, request.receive, request.send)
        finally:
            request.done()


class Request:
    def __init__(self, scope: Scope, receive: Receive, send: Send, replica: Replica) -> None:
        self.scope = dict(scope)
        self.server_receive = receive
        self.server_send = send
        self.replica = replica
        self.started = time.perf_counter()
        self.status = 500
        self.receiving = asyncio.Lock()
        self.method = scope.get("method", "GET")
        self.path = scope["path"]

    def apply(self, trust: Trust) -> None:
        scope = self.scope
        headers = first_values(scope)
        forwarded = trust.read((scope.get("client") or ("",))[0], headers.get)
        prefix = forwarded.prefix
        scope["root_path"] = prefix
        scope["path"] = prefix + self.path
        scope["raw_path"] = prefix.encode() + scope.get("raw_path", self.path.encode())
        if forwarded.client:
            scope["client"] = (forwarded.client, 0)
        if forwarded.scheme:
            scope["scheme"] = forwarded.scheme if scope["type"] == "http" else WS_SCHEMES.get(forwarded.scheme, "ws")
        if forwarded.host:
            others = [pair for pair in scope["headers"] if pair[0] != b"host"]
            scope["headers"] = [(b"host", forwarded.host.encode("latin-1")), *others]
        scope["ponte.head"] = self.method == "HEAD"
        if scope["ponte.head"]:
            scope["method"] = "GET"
        # Who expects "100 Continue" has not sent the body, and need not.
        self.unread = scope["type"] == "http" and has_body(headers) and "expect" not in headers
        self.id = id_of(forwarded)
        logs.request_id.set(self.id)

    async def receive(self) -> Message:
        async with self.receiving:
            return await self._receive()

    async def _receive(self) -> Message:
        message = await self.server_receive()
        self.unread = message["type"] == "http.request" and message.get("more_body", False)
        return message

    async def read_to_the_end(self) -> None:
        """nginx closes a client's connection, on which the next request may be under way, when the answer comes first."""
        left = DRAIN_BYTES
        while self.unread and left > 0:
            async with self.receiving:
                if self.unread:  # Quart reads on in a task of its own, and may have got the last block meanwhile
                    left -= len((await self._receive()).get("body", b""))

    async def send(self, message: Message) -> None:
        if message["type"] in ANSWERS:
            await self.read_to_the_end()
            self.status = message.get("status", 101)
            own = raw(self.replica.headers(self.id, self.seconds()))
            message = {**message, "headers": [*message.get("headers", ()), *own]}
        elif message["type"] == "http.response.body" and self.scope["ponte.head"]:
            message = {**message, "body": b""}
        await self.server_send(message)

    def seconds(self) -> float:
        return time.perf_counter() - self.started

    def done(self) -> None:
        seconds = self.seconds()
        if self.scope["type"] == "http":
            metrics.observe(self.method, self.path, str(self.status), seconds)
        if self.replica.settings.access_log:
            path = self.scope["path"]
            fields = {"method": self.method, "path": path, "status": self.status, "seconds": round(seconds, 6)}
            logs.access.info("%s %s %s", self.method, path, self.status, extra={"fields": fields})


def has_body(headers: dict[str, str]) -> bool:
    return "transfer-encoding" in headers or headers.get("content-length", "0") != "0"


WS_SCHEMES = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}
HTTP_SCHEMES = {"ws": "http", "wss": "https"}


def own_path(scope: Scope) -> str:
    """The path as the application's own routes have it, without the edge's prefix."""
    return str(scope["path"]).removeprefix(scope["root_path"])


def first_values(scope: Scope) -> dict[str, str]:
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in reversed(scope["headers"])}


def header(scope: Scope, name: str) -> str | None:
    return first_values(scope).get(name)


def request_headers(scope: Scope) -> dict[str, str]:
    """Headers of a request, names in lower case, repeats joined."""
    headers: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


def http_scheme(scope: Scope) -> str:
    return HTTP_SCHEMES.get(scope["scheme"]) or str(scope["scheme"])


def seen(scope: Scope) -> dict[str, Any]:
    """The request as the application sees it: the answer of GET /headers."""
    headers = request_headers(scope)
    return {
        "method": "HEAD" if scope["ponte.head"] else scope["method"],
        "path": scope["path"],
        "root_path": scope["root_path"],
        "scheme": scope["scheme"],
        "host": headers.get("host", ""),
        "client": (scope.get("client") or ("",))[0],
        "headers": headers,
    }


def query(scope: Scope) -> params.Query:
    return params.Query(scope["query_string"].decode("latin-1"))


async def blocks(scope: Scope, receive: Receive, limit: int) -> AsyncIterator[bytes]:
    """The body of a request, refused by its length before any of it is read."""
    params.check_length(header(scope, "content-length"), limit)
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Problem(400, "The body ended before its length.")
        more = message.get("more_body", False)
        yield message.get("body", b"")


async def disconnect(receive: Receive) -> Message:
    """Waits until the client has left."""
    while (message := await receive())["type"] != "http.disconnect":
        pass
    return message


def raw(headers: dict[str, str]) -> list[tuple[bytes, bytes]]:
    """Headers of an answer as ASGI has them."""
    return [(name.lower().encode(), value.encode()) for name, value in headers.items()]


async def answer(send: Send, status: int, content_type: str, body: bytes, headers: dict[str, str]) -> None:
    pairs = {"Content-Type": content_type, "Content-Length": str(len(body)), **headers}
    await send({"type": "http.response.start", "status": status, "headers": raw(pairs)})
    await send({"type": "http.response.body", "body": body})


async def metrics_page(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["method"] != "GET":
        return await answer_problem(send, not_allowed(("GET",)))
    await answer(send, 200, metrics.CONTENT_TYPE, metrics.page(), {})


async def answer_problem(send: Send, problem: Problem) -> None:
    await answer(send, problem.status, JSON_TYPE, json.dumps(problem.body).encode(), problem.headers)


async def stream(send: Send, content_type: str, parts: AsyncGenerator[bytes], headers: dict[str, str]) -> None:
    pairs = {"Content-Type": content_type, **headers}
    await send({"type": "http.response.start", "status": 200, "headers": raw(pairs)})
    async with aclosing(parts):
        async for part in parts:
            await send({"type": "http.response.body", "body": part, "more_body": True})
    await send({"type": "http.response.body", "body": b""})
