"""The application in BlackSheep, over ASGI: the part of the contract that needs no database."""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import Any, cast

from blacksheep import Application, Content, JSONContent, Request, Response, StreamedContent, TextContent
from blacksheep.server.routing import RouteMatch, Router
from core import asgi, events, params, sockets, work
from core.contract import ROUTES
from core.errors import UNEXPECTED, Problem, not_allowed, not_found, upgrade_required
from core.replica import Replica

replica = Replica.from_env("blacksheep")
settings = replica.settings
silence = events.Silence()


def scope(request: Request) -> asgi.Scope:
    return cast(asgi.Scope, request.scope)


class ExactRouter(Router):
    def get_match(self, request: Request) -> RouteMatch:
        """BlackSheep's own match takes any case and a slash at the end, and no path that is percent-encoded."""
        path = asgi.own_path(scope(request)).encode()
        for route in self.routes.get(request.method.encode(), ()):
            if route.pattern == path:
                return RouteMatch(route, {})
        return RouteMatch(self.fallback, {})


class PlainBlackSheep(Application):
    async def handle_request_handler_exception(self, request: Request, exc: Exception) -> Response:
        """All errors in one place, and no line in the log for what a client did wrong."""
        return failed(exc)

    async def _handle_websocket(self, scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
        """(!) BlackSheep's own logs every client that leaves as an error."""
        await sockets.only_echo(scope, receive, send)


blacksheep = PlainBlackSheep(router=ExactRouter())
get, post = blacksheep.router.get, blacksheep.router.post


def body_blocks(request: Request, limit: int) -> AsyncIterator[bytes]:
    params.check_length(asgi.header(scope(request), "content-length"), limit)
    return cast(AsyncIterator[bytes], request.stream())


def as_json(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(status, asgi.raw(headers or {}), JSONContent(value))


def streamed(content_type: str, parts: AsyncGenerator[bytes]) -> Response:
    async def provide() -> AsyncGenerator[bytes]:
        async for part in parts:
            yield part

    return Response(200, asgi.raw(work.STREAM_HEADERS), StreamedContent(content_type.encode(), provide))


@get("/")
async def who(request: Request) -> Response:
    return as_json(replica.identity)


@get("/healthz")
async def healthz(request: Request) -> Response:
    return Response(200, content=TextContent("ok"))


@get("/headers")
async def headers(request: Request) -> Response:
    return as_json(asgi.seen(scope(request)))


@get("/plaintext")
async def plaintext(request: Request) -> Response:
    return Response(200, content=TextContent("Hello, World!"))


@get("/json")
async def json_message(request: Request) -> Response:
    return as_json({"message": "Hello, World!"})


@get("/cpu")
async def cpu(request: Request) -> Response:
    ms = asgi.query(scope(request)).integer("ms", 10, high=1000)
    await asyncio.to_thread(work.burn, ms)
    return as_json({"ms": ms})


@get("/wait")
async def wait(request: Request) -> Response:
    query = asgi.query(scope(request))
    ms, how = query.integer("ms", 100, high=30_000), query.choice("how", tuple(work.WAYS_TO_WAIT))
    await work.WAYS_TO_WAIT[how](ms / 1000)
    return as_json({"ms": ms})


@post("/echo")
async def echo(request: Request) -> Response:
    body = await work.acollect(body_blocks(request, params.ECHO_LIMIT), params.ECHO_LIMIT)
    content_type = asgi.header(scope(request), "content-type") or "application/octet-stream"
    return Response(200, content=Content(content_type.encode("latin-1"), body))


@post("/digest")
async def digest(request: Request) -> Response:
    return as_json(await work.adigest(body_blocks(request, settings.max_upload), settings.max_upload))


@get("/stream")
async def stream(request: Request) -> Response:
    chunks = work.achunks(*params.stream(asgi.query(scope(request))), head=scope(request)["ponte.head"])
    return streamed("text/plain", chunks)


@get("/events")
async def get_events(request: Request) -> Response:
    last = asgi.header(scope(request), "last-event-id")
    return streamed(events.CONTENT_TYPE, silence.body(last, head=scope(request)["ponte.head"]))


@get("/ws/echo")
async def websocket_only(request: Request) -> Response:
    raise upgrade_required()


async def nothing_here(request: Request) -> Response:
    path = asgi.own_path(scope(request))
    here = {route.pattern.decode() for route in blacksheep.router} & ROUTES.keys()
    raise not_allowed(ROUTES[path]) if path in here else not_found()


blacksheep.router.fallback = nothing_here


def failed(error: Exception) -> Response:
    if isinstance(error, Problem):
        return as_json(error.body, error.status, error.headers)
    logging.getLogger("ponte.app").error("unexpected", exc_info=error)
    return failed(Problem(500, UNEXPECTED))


app: Callable[..., Any] = asgi.Middleware(blacksheep, replica)
