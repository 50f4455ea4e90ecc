"""The application in Pyramid, over WSGI: the part of the contract that needs no database."""

import logging
import re
import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from core import params, work, wsgi
from core.contract import ROUTES
from core.errors import UNEXPECTED, Problem, asgi_only, not_allowed, not_found
from core.replica import Replica
from pyramid.config import Configurator
from pyramid.exceptions import URLDecodeError
from pyramid.request import Request
from pyramid.response import Response

View = Callable[[Request], Any]

replica = Replica.from_env("pyramid")
settings = replica.settings
pyramid = Configurator()


def on(method: str, path: str) -> Callable[[View], View]:
    def register(view: View) -> View:
        # Pyramid's own match lets a newline follow.
        pyramid.add_route(path, path, path_info=re.escape(path) + r"\Z")
        pyramid.add_view(view, route_name=path, request_method=method, renderer="json")
        return view

    return register


get, post = partial(on, "GET"), partial(on, "POST")


def body_blocks(request: Request, limit: int) -> Iterable[bytes]:
    params.check_length(request.headers.get("Content-Length"), limit)
    return work.blocks(request.body_file.read)


@get("/")
def who(request: Request) -> dict[str, Any]:
    return replica.identity


@get("/healthz")
def healthz(request: Request) -> Response:
    return Response("ok", content_type="text/plain")


@get("/headers")
def headers(request: Request) -> dict[str, Any]:
    return wsgi.seen(request.environ)


@get("/plaintext")
def plaintext(request: Request) -> Response:
    return Response("Hello, World!", content_type="text/plain")


@get("/json")
def json_message(request: Request) -> dict[str, str]:
    return {"message": "Hello, World!"}


@get("/cpu")
def cpu(request: Request) -> dict[str, int]:
    ms = wsgi.query(request.environ).integer("ms", 10, high=1000)
    work.burn(ms)
    return {"ms": ms}


@get("/wait")
def wait(request: Request) -> dict[str, int]:
    ms = wsgi.query(request.environ).integer("ms", 100, high=30_000)
    time.sleep(ms / 1000)
    return {"ms": ms}


@post("/echo")
def echo(request: Request) -> Response:
    body = work.collect(body_blocks(request, params.ECHO_LIMIT), params.ECHO_LIMIT)
    content_type = request.headers.get("Content-Type", "application/octet-stream")
    return Response(body, headerlist=[("Content-Type", content_type)])


@post("/digest")
def digest(request: Request) -> dict[str, Any]:
    return work.digest(body_blocks(request, settings.max_upload), settings.max_upload)


@get("/stream")
def stream(request: Request) -> Response:
    chunks = work.chunks(*params.stream(wsgi.query(request.environ)))
    return Response(app_iter=chunks, headerlist=[("Content-Type", "text/plain"), *work.STREAM_HEADERS.items()])


@get("/events")
def events(request: Request) -> Response:
    raise asgi_only("Server-sent events")


@get("/ws/echo")
def websocket(request: Request) -> Response:
    raise asgi_only("WebSockets")


def answer(problem: Problem) -> Response:
    response = Response(json=problem.body, status=problem.status)
    response.headers.update(problem.headers)
    return response


def failed(error: Exception, request: Request) -> Response:
    if isinstance(error, Problem):
        return answer(error)
    logging.getLogger("ponte.app").error("unexpected", exc_info=error)
    return answer(Problem(500, UNEXPECTED))


def missing(error: Exception, request: Request) -> Response:
    """Also where a route is, and no view of the method."""
    here = getattr(request, "matched_route", None)
    return answer(not_allowed(ROUTES[here.name]) if here else not_found())


pyramid.add_exception_view(failed)
pyramid.add_exception_view(missing, context=URLDecodeError)
pyramid.add_notfound_view(missing)

app: Callable[..., Any] = wsgi.Middleware(pyramid.make_wsgi_app(), replica)
