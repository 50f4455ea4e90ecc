"""In front of Django's ASGI handler: what it cannot do.

Django reads every body whole before a view runs, knows neither WebSockets nor lifespan, and has no event streams
that end with the process. Those routes are answered here, over the plain interface.
"""

import asyncio
import json
from collections.abc import Callable
from typing import Any

from core import asgi, events, messages, params, sockets, work
from core.contract import ROUTES, route
from core.errors import JSON_TYPE, Problem

from ponte.stack import replica
from ponte.views import jobs
from ponte.waiting_asgi import database, feed


class Router:
    def __init__(self, django: asgi.App) -> None:
        self.django = django

    async def __call__(self, scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
        if scope["type"] == "lifespan":
            return await lifespan(receive, send)
        answer = OWN.get((scope["type"], scope.get("method", ""), asgi.own_path(scope)), self.pass_on)
        try:
            await answer(scope, receive, send)
        except Problem as problem:
            await asgi.answer_problem(send, problem)

    async def pass_on(self, scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
        if scope["type"] == "websocket":
            await receive()
            return await sockets.deny(scope, send, sockets.no_socket())
        await self.django(scope, await small_body(scope, receive), send)


async def small_body(scope: asgi.Scope, receive: asgi.Receive) -> asgi.Receive:
    """What Django is given to read: JSON of at most 64 KiB where a body is expected, nothing elsewhere."""
    expected = scope["method"] == "POST" and "POST" in ROUTES.get(route(asgi.own_path(scope)) or "", ())
    body = await work.acollect(asgi.blocks(scope, receive, params.JSON_LIMIT), params.JSON_LIMIT) if expected else b""
    whole = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> asgi.Message:
        return whole.pop() if whole else await asgi.disconnect(receive)

    return replay


async def echo(scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
    body = await work.acollect(asgi.blocks(scope, receive, params.ECHO_LIMIT), params.ECHO_LIMIT)
    await asgi.answer(send, 200, asgi.header(scope, "content-type") or "application/octet-stream", body, {})


async def digest(scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
    limit = replica.settings.max_upload
    result = await work.adigest(asgi.blocks(scope, receive, limit), limit)
    await asgi.answer(send, 200, JSON_TYPE, json.dumps(result).encode(), {})


async def stream_events(scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
    last = events.last_event_id(asgi.header(scope, "last-event-id"))
    body = events.body(await feed.reader(last).__aenter__(), head=scope["ponte.head"])
    sending = asgi.stream(send, events.CONTENT_TYPE, body, work.STREAM_HEADERS)
    await sockets.first_to_end(sending, asgi.disconnect(receive))


async def chat(scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
    async def store(author: str, text: str) -> dict[str, Any]:
        return await database.run(messages.store(author, text, replica.name))

    await sockets.chat(scope, receive, send, feed, store)


async def lifespan(receive: asgi.Receive, send: asgi.Send) -> None:
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await asyncio.to_thread(jobs.finish)
    await feed.close()
    await send({"type": "lifespan.shutdown.complete"})


OWN: dict[tuple[str, str, str], Callable[..., Any]] = {
    ("http", "POST", "/echo"): echo,
    ("http", "POST", "/digest"): digest,
    ("http", "GET", "/events"): stream_events,
    ("websocket", "", "/ws/echo"): sockets.echo,
    ("websocket", "", "/ws/chat"): chat,
}
