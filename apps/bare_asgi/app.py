"""The application as a bare ASGI callable, without a framework: the part of the contract that needs no database."""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from core import asgi, events, params, sockets, work
from core.asgi import Receive, Scope, Send
from core.errors import JSON_TYPE, UNEXPECTED, Problem, upgrade_required
from core.replica import Replica
from core.routing import Routes

replica = Replica.from_env("bare-asgi")
settings = replica.settings
silence = events.Silence()
routes = Routes[Callable[[Scope, Receive, Send], Awaitable[None]]]()
log = logging.getLogger("ponte.app")


async def send_json(send: Send, value: Any) -> None:
    await asgi.answer(send, 200, JSON_TYPE, json.dumps(value).encode(), {})


async def send_text(send: Send, text: str) -> None:
    await asgi.answer(send, 200, "text/plain", text.encode(), {})


async def send_stream(receive: Receive, send: Send, content_type: str, parts: Any) -> None:
    sending = asgi.stream(send, content_type, parts, work.STREAM_HEADERS)
    await sockets.first_to_end(sending, asgi.disconnect(receive))


@routes.get("/")
async def who(scope: Scope, receive: Receive, send: Send) -> None:
    await send_json(send, replica.identity)


@routes.get("/healthz")
async def healthz(scope: Scope, receive: Receive, send: Send) -> None:
    await send_text(send, "ok")


@routes.get("/headers")
async def headers(scope: Scope, receive: Receive, send: Send) -> None:
    await send_json(send, asgi.seen(scope))


@routes.get("/plaintext")
async def plaintext(scope: Scope, receive: Receive, send: Send) -> None:
    await send_text(send, "Hello, World!")


@routes.get("/json")
async def json_message(scope: Scope, receive: Receive, send: Send) -> None:
    await send_json(send, {"message": "Hello, World!"})


@routes.get("/cpu")
async def cpu(scope: Scope, receive: Receive, send: Send) -> None:
    ms = asgi.query(scope).integer("ms", 10, high=1000)
    await asyncio.to_thread(work.burn, ms)
    await send_json(send, {"ms": ms})


@routes.get("/wait")
async def wait(scope: Scope, receive: Receive, send: Send) -> None:
    query = asgi.query(scope)
    ms, how = query.integer("ms", 100, high=30_000), query.choice("how", tuple(work.WAYS_TO_WAIT))
    await work.WAYS_TO_WAIT[how](ms / 1000)
    await send_json(send, {"ms": ms})


@routes.post("/echo")
async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    body = await work.acollect(asgi.blocks(scope, receive, params.ECHO_LIMIT), params.ECHO_LIMIT)
    await asgi.answer(send, 200, asgi.header(scope, "content-type") or "application/octet-stream", body, {})


@routes.post("/digest")
async def digest(scope: Scope, receive: Receive, send: Send) -> None:
    await send_json(send, await work.adigest(asgi.blocks(scope, receive, settings.max_upload), settings.max_upload))


@routes.get("/stream")
async def stream(scope: Scope, receive: Receive, send: Send) -> None:
    chunks = work.achunks(*params.stream(asgi.query(scope)), head=scope["ponte.head"])
    await send_stream(receive, send, "text/plain", chunks)


@routes.get("/events")
async def get_events(scope: Scope, receive: Receive, send: Send) -> None:
    body = silence.body(asgi.header(scope, "last-event-id"), head=scope["ponte.head"])
    await send_stream(receive, send, events.CONTENT_TYPE, body)


@routes.get("/ws/echo")
async def websocket_only(scope: Scope, receive: Receive, send: Send) -> None:
    raise upgrade_required()


async def http(scope: Scope, receive: Receive, send: Send) -> None:
    try:
        await routes.find(asgi.own_path(scope), scope["method"])(scope, receive, send)
    except Problem as problem:
        await asgi.answer_problem(send, problem)
    except Exception as error:
        log.error("unexpected", exc_info=error)
        await asgi.answer_problem(send, Problem(500, UNEXPECTED))


async def lifespan(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await send({"type": "lifespan.shutdown.complete"})


PROTOCOLS: dict[str, asgi.App] = {"http": http, "websocket": sockets.only_echo, "lifespan": lifespan}


async def bare(scope: Scope, receive: Receive, send: Send) -> None:
    log.debug("scope", extra={"fields": {"scope": scope}})  # LOG_LEVEL=debug prints what docs/request.md shows
    await PROTOCOLS[scope["type"]](scope, receive, send)


app: Callable[..., Any] = asgi.Middleware(bare, replica)
