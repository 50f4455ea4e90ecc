"""An application that was written elsewhere: /healthz and /readyz are answered before it, everything else is its own."""

import asyncio
import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from core import asgi, wsgi
from core.errors import JSON_TYPE, Problem, not_allowed
from core.readiness import AsyncReadiness, Readiness, refuse_when_stopping
from core.replica import Replica

HEALTHZ, READYZ = PROBES = ("/healthz", "/readyz")
ALIVE = ("text/plain", b"ok")
Check = Callable[[], Any]
Answer = tuple[str, bytes]  # content type, body


def adopt_wsgi(app: wsgi.App, replica: Replica, check: Check | None = None) -> wsgi.Middleware:
    """`check` raises what keeps this replica from its work, and has 1.8 s; without one it is ready until it is stopped."""

    def run() -> None:
        with as_problem():
            check()  # type: ignore[misc]

    ask = Readiness(run).ask if check else nothing_to_ask

    def adopted(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path not in PROBES:
            return app(environ, start_response)
        try:
            refuse_writes(environ["REQUEST_METHOD"])
            return wsgi.answer(start_response, 200, *(ALIVE if path == HEALTHZ else ready(ask())))
        except Problem as problem:
            return wsgi.answer_problem(start_response, problem)

    return wsgi.Middleware(adopted, replica)


def adopt_asgi(app: asgi.App, replica: Replica, check: Check | None = None) -> asgi.Middleware:
    """The same; `check` is a coroutine function, or a plain one that is called in a thread."""

    async def run() -> None:
        with as_problem():
            await (check() if asyncio.iscoroutinefunction(check) else asyncio.to_thread(check))  # type: ignore[arg-type]

    async def ask() -> dict[str, str]:
        return await readiness.ask() if check else nothing_to_ask()

    readiness = AsyncReadiness(run)

    async def adopted(scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
        path = asgi.own_path(scope) if scope["type"] == "http" else ""
        if path not in PROBES:
            return await app(scope, receive, send)
        try:
            refuse_writes(scope["method"])
            await asgi.answer(send, 200, *(ALIVE if path == HEALTHZ else ready(await ask())), {})
        except Problem as problem:
            await asgi.answer_problem(send, problem)

    return asgi.Middleware(adopted, replica)


def refuse_writes(method: str) -> None:
    if method not in ("GET", "HEAD"):
        raise not_allowed(("GET",))


def ready(found: dict[str, str]) -> Answer:
    return JSON_TYPE, json.dumps(found).encode()


def nothing_to_ask() -> dict[str, str]:
    refuse_when_stopping()
    return {}


@contextmanager
def as_problem() -> Iterator[None]:
    """Whatever a check raises, as the 503 that its probe is answered with."""
    try:
        yield
    except Problem:
        raise
    except Exception as error:
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise Problem(503, f"the check fails ({reason}).", {"Retry-After": "1"}) from error
