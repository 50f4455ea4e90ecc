"""Readers of the chat: sockets and event streams that come back with the last id they have seen."""

import asyncio
import json
import random
import ssl
from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import lru_cache
from uuid import uuid4

import httpx

from loadtests.oracle.http1 import CONNECT_SECONDS, words
from loadtests.oracle.records import Listener
from loadtests.services import ASGI
from loadtests.sockets.address import websocket_url
from loadtests.sockets.connection import Connection, connect
from loadtests.sockets.failures import word

JITTER_SECONDS = 0.5  # at most, before a reader comes back
SAY_SECONDS = 1.0
SPEAKERS = 10  # one socket in so many also speaks
QUIET_SECONDS = 40.0  # of an event stream; it has a comment every 15
Clock = Callable[[], float]


@lru_cache(maxsize=1024)  # every socket gets the same text
def number(text: str) -> int:
    """The id of a message; 0 for a complaint, and for what is no message at all."""
    try:
        return int(json.loads(text)["id"])
    except (ValueError, KeyError, TypeError):
        return 0


class Reader(ABC):
    def __init__(self, url: str, record: Listener, clock: Clock, tls: ssl.SSLContext) -> None:
        self.url, self.record, self.clock, self.tls = url, record, clock, tls
        self.last = record.after
        self.connected = asyncio.Event()  # was so once

    async def run(self) -> None:
        """For ever: whenever a connection ends, why is noted, and after a while there is another."""
        while True:
            try:
                why = await self.visit()
            except Exception as error:  # of a library: whoever is gone for good would look like a loss of the stack
                why = words(error)
            self.record.closed.append((self.clock(), why))
            await asyncio.sleep(JITTER_SECONDS * random.random())

    @abstractmethod
    async def visit(self) -> str:
        """One connection, from its handshake to its end; returns the code or the word of its end."""

    def take(self, text: str) -> None:
        if not (found := number(text)):
            self.record.complaints += 1
            return
        self.record.hear(found)
        self.last = max(self.last, found)


class Socket(Reader):
    author = ""  # of what it says; empty: it only listens

    async def visit(self) -> str:
        ended = asyncio.Event()
        try:
            tls = self.tls if self.url.startswith("wss:") else None
            connection = await connect(f"{self.url}?after={self.last}", tls, CONNECT_SECONDS, hear=self.hear)
        except Exception as error:  # whatever the handshake met; picows has errors of its own
            return word(error)
        connection.left = lambda _: ended.set()
        self.connected.set()
        speaking = asyncio.create_task(self.speak(connection)) if self.author else None
        try:
            if connection.open:
                await ended.wait()
            return str(connection.close_code)
        finally:
            connection.leave()
            if speaking:
                speaking.cancel()

    def hear(self, _: Connection, text: str) -> None:
        self.take(text)

    async def speak(self, connection: Connection) -> None:
        """Not all at once: they begin anywhere in the first second."""
        await asyncio.sleep(SAY_SECONDS * random.random())
        while connection.open:
            text = str(uuid4())
            if connection.send(json.dumps({"author": self.author, "text": text})):
                self.record.said.append(text)
            await asyncio.sleep(SAY_SECONDS)


class Stream(Reader):
    async def visit(self) -> str:
        timeout = httpx.Timeout(QUIET_SECONDS, connect=CONNECT_SECONDS)
        headers = {"Last-Event-ID": str(self.last)}
        try:
            async with (
                httpx.AsyncClient(timeout=timeout, trust_env=False, verify=self.tls) as client,
                client.stream("GET", self.url, headers=headers) as answer,
            ):
                if answer.status_code != 200:
                    return str(answer.status_code)
                self.connected.set()
                await self.follow(answer)
            return "ended"
        except httpx.HTTPError as error:
            return words(error)

    async def follow(self, answer: httpx.Response) -> None:
        """(!) Split at line ends alone: what a message holds is in JSON, but U+2028 stands there as it is."""
        rest = b""
        async for part in answer.aiter_raw():
            *whole, rest = (rest + part).split(b"\n")
            for line in whole:
                if line.startswith(b"data: "):
                    self.take(line[6:].decode())


def readers(url: str, sockets: int, after: int, author: str, clock: Clock, tls: ssl.SSLContext) -> list[Reader]:
    """So many sockets, spread evenly over the applications that have them, and an event stream on each."""
    if not sockets or not ASGI:
        return []
    made: list[Reader] = []
    for place in range(sockets):
        service = ASGI[place % len(ASGI)]
        record = Listener(f"{service} chat {place}", after)
        socket = Socket(websocket_url(f"{url}/{service}", "/ws/chat"), record, clock, tls)
        socket.author = author if place // len(ASGI) % SPEAKERS == 0 else ""
        made.append(socket)
    return made + [Stream(f"{url}/{each}/events", Listener(f"{each} events", after), clock, tls) for each in ASGI]
