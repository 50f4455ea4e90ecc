"""The work behind /cpu, /stream and /digest: the same under every framework."""

import asyncio
import hashlib
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Iterator
from typing import Any

from core.params import too_large

BLOCK_BYTES = 64 * 1024
STREAM_HEADERS = {"X-Accel-Buffering": "no", "Cache-Control": "no-store"}


def burn(ms: int) -> None:
    """Uses `ms` milliseconds of CPU time of the calling thread, however long that takes on the clock."""
    end = time.thread_time_ns() + ms * 1_000_000
    while time.thread_time_ns() < end:
        hashlib.sha256(bytes(512)).digest()


def chunk(number: int) -> bytes:
    return b'{"chunk":%d}\n' % number


def chunks(count: int, ms: int) -> Iterator[bytes]:
    for number in range(count):
        time.sleep(ms / 1000)
        yield chunk(number)


async def achunks(count: int, ms: int, head: bool = False) -> AsyncGenerator[bytes]:
    for number in range(0 if head else count):
        await asyncio.sleep(ms / 1000)
        yield chunk(number)


async def block(seconds: float) -> None:
    """The mistake: nothing else in this process runs meanwhile."""
    time.sleep(seconds)


async def in_thread(seconds: float) -> None:
    await asyncio.to_thread(time.sleep, seconds)


WAYS_TO_WAIT: dict[str, Callable[[float], Awaitable[None]]] = {
    "await": asyncio.sleep,
    "thread": in_thread,
    "block": block,
}


def blocks(read: Any) -> Iterator[bytes]:
    """A body in blocks of constant size, from a file-like `read`."""
    return iter(lambda: read(BLOCK_BYTES), b"")


class Digest:
    """SHA-256 of a body that is never held whole."""

    def __init__(self, limit: int) -> None:
        self.bytes = 0
        self.limit = limit
        self.hash = hashlib.sha256()

    def update(self, block: bytes) -> None:
        self.bytes += len(block)
        if self.bytes > self.limit:
            raise too_large(self.limit)
        self.hash.update(block)

    def result(self) -> dict[str, Any]:
        return {"bytes": self.bytes, "sha256": self.hash.hexdigest()}


def digest(parts: Iterable[bytes], limit: int) -> dict[str, Any]:
    digest = Digest(limit)
    for block in parts:
        digest.update(block)
    return digest.result()


async def adigest(parts: AsyncIterator[bytes], limit: int) -> dict[str, Any]:
    digest = Digest(limit)
    async for block in parts:
        digest.update(block)
    return digest.result()


def collect(parts: Iterable[bytes], limit: int) -> bytes:
    """A whole body, refused as soon as it is larger than `limit` bytes."""
    body = bytearray()
    for block in parts:
        body += block
        if len(body) > limit:
            raise too_large(limit)
    return bytes(body)


async def acollect(parts: AsyncIterator[bytes], limit: int) -> bytes:
    body = bytearray()
    async for block in parts:
        body += block
        if len(body) > limit:
            raise too_large(limit)
    return bytes(body)
