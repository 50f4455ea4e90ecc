"""Server-sent events: the feed as text/event-stream."""

import json
from collections.abc import AsyncGenerator
from typing import Any

from core.feed import Ended, Reader
from core.params import digits

CONTENT_TYPE = "text/event-stream"
COMMENT_SECONDS = 15
RETRY = b"retry: 1000\n\n"
COMMENT = b": still here\n\n"


def last_event_id(header: str | None) -> int | None:
    return digits("Last-Event-ID", header) if header else None


def event(message: dict[str, Any]) -> bytes:
    return f"id: {message['id']}\nevent: message\ndata: {json.dumps(message, ensure_ascii=False)}\n\n".encode()


async def body(reader: Reader, head: bool = False) -> AsyncGenerator[bytes]:
    """What a client of GET /events reads; `reader` has been entered, so nothing is missed from now on."""
    try:
        yield RETRY
        async for message in reader.replay():
            yield event(message)
        while not head:
            new = await reader.next(COMMENT_SECONDS)
            yield event(new) if new else COMMENT
    except Ended:
        pass
    finally:
        await reader.__aexit__()
