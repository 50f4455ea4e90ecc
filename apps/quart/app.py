"""The application in Quart, over ASGI: the part of the contract that needs no database."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any, cast

from core import asgi, events, params, sockets, work
from core.contract import ROUTES, route
from core.errors import UNEXPECTED, Problem, not_allowed, not_found, upgrade_required
from core.replica import Replica
from quart import Quart, Response, jsonify, request
from quart.wrappers.base import BaseRequestWebsocket
from werkzeug.exceptions import HTTPException
from werkzeug.routing import MapAdapter

replica = Replica.from_env("quart")
settings = replica.settings
silence = events.Silence()


class Sockets:
    """(!) Quart's own loses the connection at an empty binary message."""

    def __init__(self, _: Quart, scope: asgi.Scope) -> None:
        self.scope = scope

    async def __call__(self, receive: asgi.Receive, send: asgi.Send) -> None:
        await sockets.only_echo(self.scope, receive, send)


class PlainQuart(Quart):
    asgi_websocket_class: Any = Sockets

    def create_url_adapter(self, request: BaseRequestWebsocket | None) -> MapAdapter | None:
        """By path and method alone: Quart would read the host and the query, and fail where they are no text."""
        if request is None:
            return None
        return self.url_map.bind("localhost", default_method=request.method, path_info=request.path)


quart = PlainQuart(__name__, static_folder=None)
quart.config["PROVIDE_AUTOMATIC_OPTIONS"] = False  # OPTIONS is a method like any other: 405
# Limits are those of the contract: a body is refused where it is read, an event stream has no end.
quart.config.update(MAX_CONTENT_LENGTH=None, BODY_TIMEOUT=None, RESPONSE_TIMEOUT=None)
quart.url_map.merge_slashes = False  # //json is another path, not a redirect
quart.json.sort_keys = False  # type: ignore[attr-defined]


@quart.before_request
async def exact() -> None:
    """Werkzeug drops slashes at the beginning."""
    if route(asgi.own_path(scope())) is None:
        raise not_found()


def scope() -> asgi.Scope:
    return cast(asgi.Scope, request.scope)


def query() -> params.Query:
    return asgi.query(scope())


def body_blocks(limit: int) -> AsyncIterator[bytes]:
    params.check_length(request.headers.get("Content-Length"), limit)
    return aiter(request.body)


@quart.get("/")
async def who() -> dict[str, Any]:
    return replica.identity


@quart.get("/healthz")
async def healthz() -> Response:
    return Response("ok", mimetype="text/plain")


@quart.get("/headers")
async def headers() -> dict[str, Any]:
    return asgi.seen(scope())


@quart.get("/plaintext")
async def plaintext() -> Response:
    return Response("Hello, World!", mimetype="text/plain")


@quart.get("/json")
async def json_message() -> dict[str, str]:
    return {"message": "Hello, World!"}


@quart.get("/cpu")
async def cpu() -> dict[str, int]:
    ms = query().integer("ms", 10, high=1000)
    await asyncio.to_thread(work.burn, ms)
    return {"ms": ms}


@quart.get("/wait")
async def wait() -> dict[str, int]:
    ms, how = query().integer("ms", 100, high=30_000), query().choice("how", tuple(work.WAYS_TO_WAIT))
    await work.WAYS_TO_WAIT[how](ms / 1000)
    return {"ms": ms}


@quart.post("/echo")
async def echo() -> Response:
    body = await work.acollect(body_blocks(params.ECHO_LIMIT), params.ECHO_LIMIT)
    return Response(body, content_type=request.headers.get("Content-Type", "application/octet-stream"))


@quart.post("/digest")
async def digest() -> dict[str, Any]:
    return await work.adigest(body_blocks(settings.max_upload), settings.max_upload)


@quart.get("/stream")
async def stream() -> Response:
    chunks = work.achunks(*params.stream(query()), head=scope()["ponte.head"])
    return Response(chunks, mimetype="text/plain", headers=work.STREAM_HEADERS)


@quart.get("/events")
async def get_events() -> Response:
    body = silence.body(request.headers.get("Last-Event-ID"), head=scope()["ponte.head"])
    return Response(body, mimetype=events.CONTENT_TYPE, headers=work.STREAM_HEADERS)


@quart.get("/ws/echo")
async def websocket_only() -> Response:
    raise upgrade_required()


def answer(problem: Problem) -> tuple[Response, int, dict[str, str]]:
    return jsonify(problem.body), problem.status, problem.headers


@quart.errorhandler(Exception)
async def failed(error: Exception) -> tuple[Response, int, dict[str, str]]:
    if isinstance(error, Problem):
        return answer(error)
    if isinstance(error, HTTPException) and error.code:
        return answer(of_werkzeug(error))
    quart.logger.exception("unexpected")
    return answer(Problem(500, UNEXPECTED))


def of_werkzeug(error: HTTPException) -> Problem:
    if error.code == 405:
        return not_allowed(ROUTES[route(request.path) or "/"])
    return not_found() if error.code == 404 else Problem(error.code or 500, error.name + ".")


app: Callable[..., Any] = asgi.Middleware(cast(asgi.App, quart), replica)
