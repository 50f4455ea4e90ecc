"""Server-Timing, which both middlewares add: an application's own stays beside it."""

import asyncio
from collections.abc import Callable

import pytest
from core import asgi, wsgi
from core.replica import Replica
from core.settings import Settings

OWN = "db;dur=1.5"
Timings = list[str]


def over_wsgi() -> Timings:
    sent: list[tuple[str, str]] = []

    def app(environ: dict, start_response: Callable) -> list[bytes]:
        start_response("200 OK", [("Server-Timing", OWN)])
        return [b"ok"]

    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/json", "wsgi.url_scheme": "http"}
    middleware = wsgi.Middleware(app, replica("flask"))
    middleware(environ, lambda status, headers, *_: sent.extend(headers)).close()
    return [value for name, value in sent if name.lower() == "server-timing"]


def over_asgi() -> Timings:
    sent: list[tuple[bytes, bytes]] = []

    async def app(scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
        await asgi.answer(send, 200, "text/plain", b"ok", {"Server-Timing": OWN})

    async def receive() -> asgi.Message:
        return {"type": "http.request"}

    async def send(message: asgi.Message) -> None:
        sent.extend(message.get("headers", ()))

    scope = {"type": "http", "method": "GET", "path": "/json", "scheme": "http", "headers": []}
    asyncio.run(asgi.Middleware(app, replica("fastapi"))(scope, receive, send))
    return [value.decode() for name, value in sent if name == b"server-timing"]


def replica(service: str) -> Replica:
    return Replica(Settings.from_env({"REPLICA": "r"}, service))


@pytest.mark.parametrize("timings", (over_wsgi, over_asgi))
def test_an_applications_own_timing_stays(timings: Callable[[], Timings]) -> None:
    own, ours = timings()

    assert own == OWN
    assert ours.startswith("app;dur=")
