"""One application in a process of its own, called over a pipe: two of them are a module named `app`.

No socket, no server, no database: httpx hands each request to the WSGI or ASGI callable.
"""

import asyncio
import importlib
import multiprocessing
import os
import sys
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

import httpx

from tests.contract import APPLICATIONS, ROOT, Service

CLIENT, STRANGER = "198.51.100.7", "203.0.113.9"
Request = tuple[str, str, dict[str, Any]]


class InProcess:
    """Sends requests to an application in a child process; `around` is put around its callable."""

    def __init__(self, service: Service, peer: str = "127.0.0.1", around: Callable[[Any], Any] | None = None) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.child = context.Process(target=serve, args=(service.name, peer, around, theirs), daemon=True)
        self.child.start()
        theirs.close()
        self.pipe.recv()  # it has imported the application

    def request(self, method: str, url: str, **options: Any) -> httpx.Response:
        self.pipe.send((method, url, options))
        answer = self.pipe.recv()
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def close(self) -> None:
        self.pipe.close()
        self.child.join(10)


def serve(name: str, peer: str, around: Callable[[Any], Any] | None, pipe: Connection) -> None:
    app = load(APPLICATIONS[name])
    send = sender(APPLICATIONS[name], around(app) if around else app, peer)
    pipe.send("ready")
    while True:
        try:
            request = pipe.recv()
        except EOFError:
            return
        try:
            pipe.send(send(request))
        except Exception as error:
            pipe.send(RuntimeError(repr(error)))


def load(service: Service) -> Any:
    """The callable as the launcher finds it: apps/ and the application's folder on the path."""
    sys.path[:0] = [str(ROOT / "apps"), str(ROOT / "apps" / service.folder)]
    os.environ.update(environ(service))
    return importlib.import_module(service.module).app


def environ(service: Service) -> dict[str, str]:
    return {
        "SERVER": service.server,
        "REPLICA": "inprocess-1",
        "SECRET_KEY": "only for tests",
        "DATABASE_URL": "postgresql://ponte:ponte@127.0.0.1:1/ponte",  # nothing listens on port 1
    }


def sender(service: Service, app: Any, peer: str) -> Callable[[Request], httpx.Response]:
    """What the edge adds to every request stands in the client's own headers."""
    headers = {"X-Forwarded-Prefix": f"/{service.name}", "X-Forwarded-For": CLIENT, "X-Forwarded-Proto": "http",
               "X-Forwarded-Host": "localhost:8080", "X-Forwarded-Port": "8080", "X-Request-ID": "0" * 31 + "1"}  # fmt: skip
    if service.interface == "wsgi":
        client = httpx.Client(transport=httpx.WSGITransport(app, remote_addr=peer), headers=headers)
        return lambda request: without_jar(client, client.request(request[0], request[1], **request[2]))
    runner, asgi = asyncio.Runner(), httpx.ASGITransport(app, raise_app_exceptions=False, client=(peer, 50000))
    aclient = httpx.AsyncClient(transport=asgi, headers=headers, timeout=60)
    return lambda request: without_jar(aclient, runner.run(aclient.request(request[0], request[1], **request[2])))


def without_jar(client: httpx.Client | httpx.AsyncClient, answer: httpx.Response) -> httpx.Response:
    client.cookies.clear()
    return answer
