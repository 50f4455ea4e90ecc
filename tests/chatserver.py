"""A small WebSocket and event-stream server that misbehaves as told: what a load driver has to report."""

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, urlsplit

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

REPLICAS = ("app/app-1/11", "app/app-2/22")


class ChatServer:
    """Chat connections are numbered as they come: a driver's first try is 0, its subscribers follow."""

    def __init__(self) -> None:
        self.status: dict[str, int] = {}  # answer to a handshake, by path
        self.copies: Callable[[int, int], int] = lambda connection, number: 1  # how often a message is sent
        self.delay: Callable[[int], float] = lambda connection: 0.0  # seconds, before each message to it
        self.swaps: Callable[[int], bool] = lambda connection: False  # sends each pair of messages the other way
        self.echoes: Callable[[int], int] = lambda count: 1  # how often the nth echo is sent
        self.echo_stall = 0.0  # seconds, once, in which the whole server stands still
        self.overlap = 0  # messages that a replay repeats
        self.messages: list[dict[str, Any]] = []
        self.chats: dict[int, ServerConnection] = {}
        self.queues: dict[int, asyncio.Queue[dict[str, Any]]] = {}
        self.count = self.echoed = self.handshakes = 0
        self.port = 0
        self.queries: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def answer(self, connection: ServerConnection, request: Request) -> Response | None:
        status = self.status.get(urlsplit(request.path).path)
        if status is None:
            return None
        return Response(status, HTTPStatus(status).phrase, Headers({"Content-Length": "2"}), b"no")

    def sign(self, connection: ServerConnection, request: Request, response: Response) -> None:
        response.headers["X-Served-By"] = REPLICAS[self.handshakes % 2]
        self.handshakes += 1

    async def serve(self, connection: ServerConnection) -> None:
        assert connection.request
        path = urlsplit(connection.request.path)
        with suppress(ConnectionClosed):
            await (self.echo if path.path == "/ws/echo" else self.chat)(connection)

    async def echo(self, connection: ServerConnection) -> None:
        async for message in connection:
            if len(message) > 1_000_000:
                return await connection.close(1009)
            if message == "goodbye":
                return await connection.close(1012)
            if message == "silence":
                continue
            if self.echo_stall:
                seconds, self.echo_stall = self.echo_stall, 0.0
                threading.Event().wait(seconds)
            self.echoed += 1
            for _ in range(self.echoes(self.echoed)):
                await connection.send(message)

    async def chat(self, connection: ServerConnection) -> None:
        assert connection.request
        number, self.count = self.count, self.count + 1
        query = urlsplit(connection.request.path).query
        self.queries.append(query)
        after = int(parse_qs(query).get("after", [str(len(self.messages))])[0])
        queue = self.queues[number] = asyncio.Queue()
        for message in self.messages[max(after - self.overlap, 0) :]:
            queue.put_nowait(message)
        self.chats[number] = connection
        sender = asyncio.create_task(self.send(number, connection, queue))
        try:
            async for text in connection:
                self.store(json.loads(text))
        finally:
            sender.cancel()
            del self.chats[number], self.queues[number]

    def store(self, said: dict[str, Any]) -> None:
        message = {"id": len(self.messages) + 1, **said}
        self.messages.append(message)
        for number, queue in self.queues.items():
            for _ in range(self.copies(number, message["id"])):
                queue.put_nowait(message)

    async def send(self, number: int, connection: ServerConnection, queue: asyncio.Queue[dict[str, Any]]) -> None:
        while True:
            pair = [await queue.get()]
            if self.swaps(number):
                pair.insert(0, await queue.get())
            await asyncio.sleep(self.delay(number))
            for message in pair:
                await connection.send(json.dumps(message))

    async def close_chats(self, code: int, abort: bool = False) -> None:
        for connection in list(self.chats.values()):
            if abort:
                connection.transport.abort()
            else:
                await connection.close(code)

    def close_soon(self, code: int, seconds: float) -> None:
        """From another thread: restarts by itself, a little later."""

        async def later() -> None:
            await asyncio.sleep(seconds)
            await self.close_chats(code)

        asyncio.run_coroutine_threadsafe(later(), self.loop)

    def restart(self, code: int = 1012, abort: bool = False) -> None:
        """From another thread: every chat connection is closed, as by a replica that stops."""
        asyncio.run_coroutine_threadsafe(self.close_chats(code, abort), self.loop).result(10)

    def stop(self) -> None:
        """From another thread; twice does no harm."""
        with suppress(RuntimeError):
            self.loop.call_soon_threadsafe(self.over.set)

    async def run(self, started: threading.Event) -> None:
        self.loop, self.over = asyncio.get_running_loop(), asyncio.Event()
        options: dict[str, Any] = {"process_request": self.answer, "process_response": self.sign, "compression": None}
        async with serve(
            self.serve, "127.0.0.1", 0, max_size=None, ping_interval=0.5, ping_timeout=1.0, **options
        ) as server:
            self.port = port_of(server)
            started.set()
            await self.over.wait()


def port_of(server: Server) -> int:
    return next(iter(server.sockets)).getsockname()[1]


@contextmanager
def chat_server() -> Iterator[ChatServer]:
    server, started = ChatServer(), threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(server.run(started)), daemon=True)
    thread.start()
    assert started.wait(10)
    try:
        yield server
    finally:
        server.stop()
        thread.join(10)
