"""The connections of a measurement, all to one WebSocket endpoint."""

import asyncio
import ssl
from types import TracebackType

from loadtests.sockets.address import websocket_url
from loadtests.sockets.connection import Connection, Hear, connect, ignore
from loadtests.sockets.errors import Unusable
from loadtests.sockets.failures import sentence

GOODBYE_SECONDS = 3.0


class Pool:
    """`async with Pool("http://127.0.0.1:8080/fastapi", "/ws/echo") as pool:` tries the endpoint once, raises Unusable
    with a sentence if it is no good, and closes every connection at the end."""

    def __init__(
        self, base: str, path: str = "/ws/echo", tls: ssl.SSLContext | None = None, handshake_seconds: float = 10.0
    ) -> None:
        self.url = websocket_url(base, path)
        self.tls = tls
        self.handshake_seconds = handshake_seconds
        self.connections: list[Connection] = []

    async def open(self, query: str = "", narrow: bool = False, number: int = 0, hear: Hear = ignore) -> Connection:
        opened = await connect(self.url + query, self.tls, self.handshake_seconds, narrow, number, hear)
        self.connections.append(opened)
        return opened

    @property
    def alive(self) -> list[Connection]:
        return [each for each in self.connections if each.open]

    async def __aenter__(self) -> "Pool":
        try:
            first = await connect(self.url, self.tls, self.handshake_seconds)
        except Exception as error:
            raise Unusable(sentence(self.url, error)) from error
        await goodbye([first])
        return self

    async def __aexit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await goodbye(self.connections)


async def goodbye(connections: list[Connection]) -> None:
    """Closes them as the protocol asks; whoever does not answer in time is cut off."""
    for number, each in enumerate(connections):
        each.leave()
        if number % 200 == 199:
            await asyncio.sleep(0.01)
    for _ in range(int(GOODBYE_SECONDS / 0.02)):
        if not any(each.open for each in connections):
            return
        await asyncio.sleep(0.02)
    for each in connections:
        each.abort()
    await asyncio.sleep(0)
