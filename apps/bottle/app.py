"""The application in Bottle, over WSGI: the part of the contract that needs no database."""

import functools
import json
import logging
import time
from collections.abc import Callable
from typing import Any

from bottle import Bottle, HTTPError, HTTPResponse, request
from core import params, work, wsgi
from core.contract import ROUTES, route
from core.errors import JSON_TYPE, UNEXPECTED, Problem, asgi_only, not_allowed, not_found
from core.replica import Replica

replica = Replica.from_env("bottle")
settings = replica.settings
bottle = Bottle()


@bottle.hook("before_request")
def exact() -> None:
    """Bottle leaves out of a path what is no UTF-8, and matches the rest."""
    if request.environ["PATH_INFO"].encode() != request.environ["bottle.raw_path"].encode("latin-1"):
        raise HTTPError(404)


@bottle.install
def answered(view: Callable[[], Any]) -> Callable[[], Any]:
    @functools.wraps(view)
    def call() -> Any:
        try:
            return view()
        except Problem as problem:
            return answer(problem)
        except Exception:
            logging.getLogger("ponte.app").exception("unexpected")
            return answer(Problem(500, UNEXPECTED))

    return call


def text(body: str) -> HTTPResponse:
    return HTTPResponse(body, headers={"Content-Type": "text/plain"})


@bottle.get("/")
def who() -> dict[str, Any]:
    return replica.identity


@bottle.get("/healthz")
def healthz() -> HTTPResponse:
    return text("ok")


@bottle.get("/headers")
def headers() -> dict[str, Any]:
    return wsgi.seen(request.environ)


@bottle.get("/plaintext")
def plaintext() -> HTTPResponse:
    return text("Hello, World!")


@bottle.get("/json")
def json_message() -> dict[str, str]:
    return {"message": "Hello, World!"}


@bottle.get("/cpu")
def cpu() -> dict[str, int]:
    ms = wsgi.query(request.environ).integer("ms", 10, high=1000)
    work.burn(ms)
    return {"ms": ms}


@bottle.get("/wait")
def wait() -> dict[str, int]:
    ms = wsgi.query(request.environ).integer("ms", 100, high=30_000)
    time.sleep(ms / 1000)
    return {"ms": ms}


@bottle.post("/echo")
def echo() -> HTTPResponse:
    body = work.collect(wsgi.blocks(request.environ, params.ECHO_LIMIT), params.ECHO_LIMIT)
    return HTTPResponse(body, headers={"Content-Type": request.content_type or "application/octet-stream"})


@bottle.post("/digest")
def digest() -> dict[str, Any]:
    return work.digest(wsgi.blocks(request.environ, settings.max_upload), settings.max_upload)


@bottle.get("/stream")
def stream() -> HTTPResponse:
    """Its head leaves with the first line: Bottle looks at that to know the rest."""
    chunks = work.chunks(*params.stream(wsgi.query(request.environ)))
    return HTTPResponse(chunks, headers={"Content-Type": "text/plain", **work.STREAM_HEADERS})


@bottle.get("/events")
def events() -> HTTPResponse:
    raise asgi_only("Server-sent events")


@bottle.get("/ws/echo")
def websocket() -> HTTPResponse:
    raise asgi_only("WebSockets")


def answer(problem: Problem) -> HTTPResponse:
    return HTTPResponse(json.dumps(problem.body), problem.status, {"Content-Type": JSON_TYPE, **problem.headers})


@bottle.error(404)
def missing(_: HTTPError) -> HTTPResponse:
    return answer(not_found())


@bottle.error(405)
def wrong_method(_: HTTPError) -> HTTPResponse:
    return answer(not_allowed(ROUTES[route(request.environ["PATH_INFO"]) or "/"]))


app: Callable[..., Any] = wsgi.Middleware(bottle, replica)
