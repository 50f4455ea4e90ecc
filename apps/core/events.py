"""Server-sent events: the feed as text/event-stream."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress
from functools import partial

from core.feed import Ended, News, Reader
from core.params import digits
from core.stopping import on_stop, stopping

CONTENT_TYPE = "text/event-stream"
COMMENT_SECONDS = 15
RETRY = b"retry: 1000\n\n"
COMMENT = b": still here\n\n"


def last_event_id(header: str | None) -> int | None:
    return digits("Last-Event-ID", header) if header else None


def event(new: News) -> bytes:
    return f"id: {new.id}\nevent: message\ndata: {new.json}\n\n".encode()


async def body(reader: Reader, head: bool = False) -> AsyncGenerator[bytes]:
    """What a client of GET /events reads; `reader` has been entered, so nothing is missed from now on."""
    try:
        yield RETRY
        async for stored in reader.replay():
            yield event(stored)
        while not head:
            new = await reader.next(COMMENT_SECONDS)
            yield event(new) if new else COMMENT
    except Ended:
        pass
    finally:
        await reader.__aexit__()


class Silence:
    """GET /events of an application without a database: nobody stores anything, so there are comments and no event.

    A stream opens, says when to come back and is ended by a stop, as where there is something to tell.
    """

    def __init__(self) -> None:
        self.ended: asyncio.Event | None = None

    def body(self, last_id: str | None, head: bool = False) -> AsyncGenerator[bytes]:
        """A Problem at once when the id is none, though nothing comes after any."""
        last_event_id(last_id)
        return self._comments(head)

    async def _comments(self, head: bool) -> AsyncGenerator[bytes]:
        ended = self._end()
        yield RETRY
        while not head and not ended.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(ended.wait(), COMMENT_SECONDS)
            if not ended.is_set():
                yield COMMENT

    def _end(self) -> asyncio.Event:
        if self.ended is None:
            self.ended = asyncio.Event()
            on_stop(partial(asyncio.get_running_loop().call_soon_threadsafe, self.ended.set))
        if stopping():
            self.ended.set()
        return self.ended
