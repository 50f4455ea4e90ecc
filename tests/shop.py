"""A small application with the contract's routes for the oracle, that loses and repeats as told."""

import asyncio
import json
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs

import uvicorn

from tests.waiting import until

Message = MutableMapping[str, Any]
Receive, Send = Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]
JSON, EVENTS = (b"content-type", b"application/json"), (b"content-type", b"text/event-stream")


class Shop:
    """Requests and readers are numbered as they come; a knob is asked before each is served."""

    def __init__(self) -> None:
        self.copies: Callable[[int], int] = lambda write: 1  # rows that a write makes
        self.status: Callable[[int], int] = lambda request: 200  # of answers; what is written is written
        self.tells: Callable[[int, int], list[int]] = lambda reader, number: [number]  # ids instead of this one
        self.rows: list[dict[str, Any]] = []
        self.readers: dict[int, asyncio.Queue[dict[str, Any] | None]] = {}
        self.requests = self.writes = self.count = 0
        self.sock = socket.create_server(("127.0.0.1", 0), backlog=512)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.sock.getsockname()[1]}"

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        self.loop = asyncio.get_running_loop()
        name = "at_" + scope["path"].rpartition("/")[2]
        await getattr(self, name)(scope, receive, send)

    async def at_json(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        await self.answer(send, {"message": "Hello, World!"})

    async def at_messages(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        if scope["method"] == "GET":
            after = int(parse_qs(scope["query_string"])[b"after"][0])
            return await respond(send, 200, {"messages": [row for row in self.rows if row["id"] > after][:500]})
        given = json.loads((await receive())["body"])
        self.writes += 1
        await self.answer(send, self.store(given, self.copies(self.writes)))

    def store(self, given: dict[str, Any], copies: int = 1) -> dict[str, Any]:
        row = {"id": self.rows[-1]["id"] + 1 if self.rows else 1, **given}
        for _ in range(copies):
            row = {"id": len(self.rows) + 1, **given}
            self.rows.append(row)
            for reader, queue in self.readers.items():
                for number in self.tells(reader, row["id"]):
                    queue.put_nowait({**given, "id": number})
        return row

    async def answer(self, send: Send, body: dict[str, Any]) -> None:
        self.requests += 1
        await respond(send, self.status(self.requests), body)

    async def at_chat(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        queue, number = self.join(int(parse_qs(scope["query_string"])[b"after"][0]))
        listening = asyncio.create_task(self.listen(receive))
        while (row := await queue.get()) and not listening.done():
            await send({"type": "websocket.send", "text": json.dumps(row)})
        listening.cancel()
        del self.readers[number]
        await send({"type": "websocket.close", "code": 1012})

    async def listen(self, receive: Receive) -> None:
        while (message := await receive())["type"] == "websocket.receive":
            self.store(json.loads(message["text"]))

    async def at_events(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        queue, number = self.join(int(dict(scope["headers"])[b"last-event-id"]))
        await send({"type": "http.response.start", "status": 200, "headers": [EVENTS, (b"x-accel-buffering", b"no")]})
        await send({"type": "http.response.body", "body": b"retry: 1000\n\n", "more_body": True})
        while row := await queue.get():
            event = f"id: {row['id']}\nevent: message\ndata: {json.dumps(row)}\n\n"
            await send({"type": "http.response.body", "body": event.encode(), "more_body": True})
        del self.readers[number]
        await send({"type": "http.response.body"})

    def join(self, after: int) -> tuple[asyncio.Queue[dict[str, Any] | None], int]:
        queue, number = asyncio.Queue[dict[str, Any] | None](), self.count
        for row in self.rows[after:]:
            queue.put_nowait(row)
        self.readers[number], self.count = queue, self.count + 1
        return queue, number

    def restart(self) -> None:
        """From another thread: whoever listens is sent away."""
        self.loop.call_soon_threadsafe(lambda: [queue.put_nowait(None) for queue in self.readers.values()])


async def respond(send: Send, status: int, body: dict[str, Any]) -> None:
    payload = json.dumps(body).encode()
    headers = [JSON, (b"content-length", str(len(payload)).encode()), (b"x-served-by", b"shop/shop-1/1")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": payload})


@contextmanager
def shop() -> Iterator[Shop]:
    made = Shop()
    config = uvicorn.Config(made, lifespan="off", log_level="warning", timeout_graceful_shutdown=1)  # type: ignore[arg-type]
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([made.sock],), daemon=True)
    thread.start()
    until(lambda: server.started)
    try:
        yield made
    finally:
        server.should_exit = True
        thread.join(10)
