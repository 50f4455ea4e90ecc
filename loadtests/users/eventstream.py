"""Server-sent events, read line by line (the few rules of the HTML standard that matter)."""

import http.client
import time
from collections.abc import Iterator
from typing import NamedTuple


class Event(NamedTuple):
    id: str
    event: str
    data: str
    arrived: float  # CLOCK_MONOTONIC


class Stream:
    """One answer, and the events in it."""

    def __init__(self, answer: http.client.HTTPResponse) -> None:
        self.answer = answer
        self.retry: float | None = None  # seconds
        self.first = answer.peek(1) if answer.status == 200 else b""  # (!) waits for the first byte

    def __iter__(self) -> Iterator[Event]:
        while fields := self.block():
            if fields.get("retry", "").isdigit():
                self.retry = int(fields["retry"]) / 1000
            if "data" in fields:
                yield Event(fields.get("id", ""), fields.get("event", "message"), fields["data"], time.monotonic())

    def block(self) -> dict[str, str]:
        """Fields up to an empty line; none at the end of the stream."""
        fields: dict[str, str] = {}
        while line := self.answer.readline():
            if line in (b"\n", b"\r\n"):
                if fields:
                    return fields
                continue
            name, _, value = line.decode("utf-8", "replace").rstrip("\r\n").partition(":")
            value = value.removeprefix(" ")
            fields[name] = f"{fields[name]}\n{value}" if name == "data" and name in fields else value
        return {}
