"""The application as a bare WSGI callable, without a framework: the part of the contract that needs no database."""

import json
import logging
import time
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any

from core import params, work, wsgi
from core.errors import JSON_TYPE, UNEXPECTED, Problem, asgi_only
from core.replica import Replica
from core.routing import Routes

Environ = dict[str, Any]
Answer = tuple[int, dict[str, str], Iterable[bytes]]

replica = Replica.from_env("bare-wsgi")
settings = replica.settings
routes = Routes[Callable[[Environ], Answer]]()
log = logging.getLogger("ponte.app")


def sized(content_type: str, body: bytes) -> Answer:
    return 200, {"Content-Type": content_type, "Content-Length": str(len(body))}, [body]


def as_json(value: Any) -> Answer:
    return sized(JSON_TYPE, json.dumps(value).encode())


@routes.get("/")
def who(environ: Environ) -> Answer:
    return as_json(replica.identity)


@routes.get("/healthz")
def healthz(environ: Environ) -> Answer:
    return sized("text/plain", b"ok")


@routes.get("/headers")
def headers(environ: Environ) -> Answer:
    return as_json(wsgi.seen(environ))


@routes.get("/plaintext")
def plaintext(environ: Environ) -> Answer:
    return sized("text/plain", b"Hello, World!")


@routes.get("/json")
def json_message(environ: Environ) -> Answer:
    return as_json({"message": "Hello, World!"})


@routes.get("/cpu")
def cpu(environ: Environ) -> Answer:
    ms = wsgi.query(environ).integer("ms", 10, high=1000)
    work.burn(ms)
    return as_json({"ms": ms})


@routes.get("/wait")
def wait(environ: Environ) -> Answer:
    ms = wsgi.query(environ).integer("ms", 100, high=30_000)
    time.sleep(ms / 1000)
    return as_json({"ms": ms})


@routes.post("/echo")
def echo(environ: Environ) -> Answer:
    body = work.collect(wsgi.blocks(environ, params.ECHO_LIMIT), params.ECHO_LIMIT)
    return sized(environ.get("CONTENT_TYPE") or "application/octet-stream", body)


@routes.post("/digest")
def digest(environ: Environ) -> Answer:
    return as_json(work.digest(wsgi.blocks(environ, settings.max_upload), settings.max_upload))


@routes.get("/stream")
def stream(environ: Environ) -> Answer:
    chunks = work.chunks(*params.stream(wsgi.query(environ)))
    return 200, {"Content-Type": "text/plain", **work.STREAM_HEADERS}, chunks


@routes.get("/events")
def events(environ: Environ) -> Answer:
    raise asgi_only("Server-sent events")


@routes.get("/ws/echo")
def websocket(environ: Environ) -> Answer:
    raise asgi_only("WebSockets")


def of_problem(problem: Problem) -> Answer:
    _, headers, body = as_json(problem.body)
    return problem.status, headers | problem.headers, body


def answer(environ: Environ) -> Answer:
    try:
        return routes.find(environ["PATH_INFO"], environ["REQUEST_METHOD"])(environ)
    except Problem as problem:
        return of_problem(problem)
    except Exception as error:
        log.error("unexpected", exc_info=error)
        return of_problem(Problem(500, UNEXPECTED))


def bare(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
    log.debug("environ", extra={"fields": {"environ": environ}})  # LOG_LEVEL=debug prints what docs/request.md shows
    status, headers, body = answer(environ)
    start_response(f"{status} {HTTPStatus(status).phrase}", list(headers.items()))
    return body


app: Callable[..., Any] = wsgi.Middleware(bare, replica)
