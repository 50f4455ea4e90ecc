"""The application in Starlette, over ASGI: the part of the contract that needs no database."""

import logging
from collections.abc import AsyncIterator, Callable
from typing import Any

from core import asgi, events, params, sockets, work
from core.contract import ROUTES, route
from core.errors import UNEXPECTED, Problem, not_allowed, not_found, upgrade_required
from core.replica import Replica
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Match, Route, WebSocketRoute
from starlette.types import Scope
from starlette.websockets import WebSocket

replica = Replica.from_env("starlette")
settings = replica.settings
silence = events.Silence()


class Exact(Route):
    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Starlette's own match lets a newline follow."""
        return (Match.NONE, {}) if scope["path"].endswith("\n") else super().matches(scope)


def body_blocks(request: Request, limit: int) -> AsyncIterator[bytes]:
    params.check_length(request.headers.get("Content-Length"), limit)
    return request.stream()


async def who(request: Request) -> JSONResponse:
    return JSONResponse(replica.identity)


async def healthz(request: Request) -> PlainTextResponse:
    return PlainTextResponse("ok")


async def headers(request: Request) -> JSONResponse:
    return JSONResponse(asgi.seen(request.scope))


async def plaintext(request: Request) -> PlainTextResponse:
    return PlainTextResponse("Hello, World!")


async def json_message(request: Request) -> JSONResponse:
    return JSONResponse({"message": "Hello, World!"})


async def cpu(request: Request) -> JSONResponse:
    ms = asgi.query(request.scope).integer("ms", 10, high=1000)
    await run_in_threadpool(work.burn, ms)
    return JSONResponse({"ms": ms})


async def wait(request: Request) -> JSONResponse:
    query = asgi.query(request.scope)
    ms, how = query.integer("ms", 100, high=30_000), query.choice("how", tuple(work.WAYS_TO_WAIT))
    await work.WAYS_TO_WAIT[how](ms / 1000)
    return JSONResponse({"ms": ms})


async def echo(request: Request) -> Response:
    body = await work.acollect(body_blocks(request, params.ECHO_LIMIT), params.ECHO_LIMIT)
    return Response(body, headers={"Content-Type": request.headers.get("Content-Type", "application/octet-stream")})


async def digest(request: Request) -> JSONResponse:
    return JSONResponse(await work.adigest(body_blocks(request, settings.max_upload), settings.max_upload))


async def stream(request: Request) -> StreamingResponse:
    chunks = work.achunks(*params.stream(asgi.query(request.scope)), head=request.scope["ponte.head"])
    return StreamingResponse(chunks, media_type="text/plain", headers=work.STREAM_HEADERS)


async def get_events(request: Request) -> StreamingResponse:
    body = silence.body(request.headers.get("Last-Event-ID"), head=request.scope["ponte.head"])
    return StreamingResponse(body, headers=work.STREAM_HEADERS, media_type=events.CONTENT_TYPE)


async def websocket_only(request: Request) -> Response:
    raise upgrade_required()


async def every_websocket(websocket: WebSocket) -> None:
    await sockets.only_echo(websocket.scope, websocket.receive, websocket.send)


def answer(problem: Problem) -> JSONResponse:
    return JSONResponse(problem.body, problem.status, problem.headers)


async def problem(_: Request, error: Any) -> JSONResponse:
    return answer(error)


async def of_starlette(request: Request, error: Any) -> JSONResponse:
    if error.status_code == 405:
        return answer(not_allowed(ROUTES[route(asgi.own_path(request.scope)) or "/"]))
    return answer(not_found() if error.status_code == 404 else Problem(error.status_code, f"{error.detail}."))


async def failed(_: Request, error: Exception) -> JSONResponse:
    logging.getLogger("ponte.app").error("unexpected", exc_info=error)
    return answer(Problem(500, UNEXPECTED))


starlette = Starlette(
    routes=[
        Exact("/", who),
        Exact("/healthz", healthz),
        Exact("/headers", headers),
        Exact("/plaintext", plaintext),
        Exact("/json", json_message),
        Exact("/cpu", cpu),
        Exact("/wait", wait),
        Exact("/echo", echo, methods=["POST"]),
        Exact("/digest", digest, methods=["POST"]),
        Exact("/stream", stream),
        Exact("/events", get_events),
        Exact("/ws/echo", websocket_only),
        WebSocketRoute("/{path:path}", every_websocket),
    ],
    exception_handlers={Problem: problem, HTTPException: of_starlette, Exception: failed},
)
starlette.router.redirect_slashes = False

app: Callable[..., Any] = asgi.Middleware(starlette, replica)
