"""`serve.crossing:app`: the application of SERVICE behind an adapter, under a server of the other interface.

What a2wsgi leaves out is put back where that is a few lines: bodies without a length, both ways, and the end of an
answer whose client has left.
"""

import asyncio
import itertools
import os
from collections.abc import Callable, Iterable, Iterator
from pkgutil import resolve_name
from typing import Any

from a2wsgi import ASGIMiddleware, WSGIMiddleware
from core import stopping
from core.asgi import Message, Receive, Scope, Send, disconnect, http_scheme
from core.settings import Settings

from serve.headers import joined

BLOCK = 65_536
settings = Settings.from_env(os.environ, os.environ["SERVICE"])
inner = resolve_name(settings.about.app)
Environ = dict[str, Any]


def with_framed_bodies(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """For a WSGI application: the body ends by itself, with a Content-Length or without one."""
    environ["wsgi.input_terminated"] = True
    return Leaving(inner(environ, start_response), environ["asgi.scope"])


class Leaving:
    """Ends an answer whose client has left; a2wsgi would keep its thread to the last part."""

    def __init__(self, answer: Iterable[bytes], scope: Scope) -> None:
        self.answer, self.scope = answer, scope

    def __iter__(self) -> Iterator[bytes]:
        return itertools.takewhile(lambda _: "ponte.gone" not in self.scope, self.answer)

    def close(self) -> None:
        getattr(self.answer, "close", lambda: None)()


async def with_bodies_of_any_length(scope: Scope, receive: Receive, send: Send) -> None:
    """For an ASGI application: a2wsgi takes a body without Content-Length for none."""
    environ = scope["wsgi_environ"]
    environ["ponte.task"] = asyncio.current_task()
    chunked = "CONTENT_LENGTH" not in environ and "HTTP_TRANSFER_ENCODING" in environ
    ended = not chunked

    async def receive_chunks() -> Message:
        nonlocal ended
        if ended:
            return await receive()
        block = await asyncio.to_thread(environ["wsgi.input"].read, BLOCK)
        ended = not block
        return {"type": "http.request", "body": block, "more_body": not ended}

    await inner(scope, receive_chunks if chunked else receive, send)


class Ending:
    """Cancels the application's call when the server closes an answer that is not at its end."""

    def __init__(self, answer: Iterator[bytes], environ: Environ, loop: asyncio.AbstractEventLoop) -> None:
        self.answer, self.environ, self.loop = answer, environ, loop

    def __iter__(self) -> Iterator[bytes]:
        return self.answer

    def close(self) -> None:
        if task := self.environ.get("ponte.task"):
            self.loop.call_soon_threadsafe(task.cancel)


def over_wsgi() -> Callable[..., Any]:
    crossed = ASGIMiddleware(with_bodies_of_any_length)
    stopping.watch()  # here, in the main thread: the application runs in another

    def application(environ: Environ, start_response: Any) -> Iterable[bytes]:
        environ["PATH_INFO"] = readable(environ["PATH_INFO"])
        return Ending(iter(crossed(environ, start_response)), environ, crossed.loop)

    return application


def readable(path: str) -> str:
    """What is no UTF-8 is replaced: a2wsgi would answer 500."""
    return path.encode("latin-1").decode(errors="replace").encode().decode("latin-1")


def over_asgi() -> Callable[..., Any]:
    crossed = WSGIMiddleware(with_framed_bodies, workers=settings.threads)

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        stopping.watch()  # by now the server has set its own handler
        if scope["type"] == "lifespan":
            return await crossed(scope, receive, send)
        scope["headers"] = joined(scope["headers"], b", ")  # a2wsgi leaves out the space
        if scope["type"] == "websocket":
            return await crossed(*as_a_get(scope, send))
        watcher: asyncio.Future[None] | None = None

        async def send_and_watch(message: Message) -> None:
            nonlocal watcher
            if message["type"] == "http.response.start":  # the body has been read by then
                watcher = asyncio.ensure_future(watch(scope, receive))
            await send(message)

        try:
            await crossed(scope, receive, send_and_watch)
        finally:
            if watcher:
                watcher.cancel()

    return application


def as_a_get(scope: Scope, send: Send) -> tuple[Scope, Receive, Send]:
    """A handshake as every other WSGI server has it: a request like any other, with an answer that is none."""

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def refuse(message: Message) -> None:
        await send({**message, "type": f"websocket.{message['type']}"})

    return {**scope, "type": "http", "method": "GET", "scheme": http_scheme(scope)}, receive, refuse


async def watch(scope: Scope, receive: Receive) -> None:
    await disconnect(receive)
    scope["ponte.gone"] = True


app = {"wsgi": over_asgi, "asgi": over_wsgi}[settings.about.interface]()
