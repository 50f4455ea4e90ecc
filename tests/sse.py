"""Server-sent events, read line by line (the few rules of the HTML standard that the contract uses)."""

import json
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from tests.waiting import until


@dataclass
class Event:
    id: str
    event: str
    data: dict[str, Any]


def lines(answer: httpx.Response) -> Iterator[str]:
    """(!) Not answer.iter_lines(): that also splits at U+2028 and its like, which a message may hold."""
    rest = b""
    for part in answer.iter_bytes():
        *whole, rest = (rest + part).split(b"\n")
        yield from (line.decode() for line in whole)


class Events:
    def __init__(self, answer: httpx.Response) -> None:
        self.answer = answer
        self.lines = lines(answer)
        self.retry: str | None = None
        self.comments = 0

    def block(self) -> list[tuple[str, str]]:
        """Fields up to the next empty line; none when the stream has ended."""
        fields: list[tuple[str, str]] = []
        for line in self.lines:
            if not line:
                return fields
            name, _, value = line.partition(":")
            fields.append((name, value.removeprefix(" ")))
        return []

    def next(self) -> Event | None:
        """The next event, or None at the end; takes note of retry and comments on the way."""
        while block := self.block():
            fields = dict(block)
            self.comments += "" in fields
            self.retry = fields.get("retry", self.retry)
            if "data" in fields:
                return Event(fields["id"], fields["event"], json.loads(fields["data"]))
        return None

    def rest(self) -> str:
        """Reads on until it ends; 'ended', or what went wrong."""
        try:
            while self.next():
                pass
        except httpx.TransportError as error:
            return repr(error)
        return "ended"

    @property
    def replica(self) -> str:
        return self.answer.headers["x-served-by"].split("/")[1]


@contextmanager
def listen(url: str, last: int | str | None = None, timeout: float = 20) -> Iterator[Events]:
    """An open stream, its head and first field read: whatever is stored from now on arrives."""
    headers = {} if last is None else {"Last-Event-ID": str(last)}
    with httpx.stream("GET", url, headers=headers, timeout=timeout) as answer:
        assert answer.status_code == 200, answer.read()
        events = Events(answer)
        events.retry = dict(events.block()).get("retry")
        yield events


@contextmanager
def on_each(url: str, replicas: Iterable[str]) -> Iterator[dict[str, Events]]:
    """A stream from each of these replicas: opened until the edge has chosen every one."""
    expected, found = set(replicas), dict[str, Events]()

    def all_found() -> bool:
        events = closing.enter_context(listen(url, timeout=60))
        found.setdefault(events.replica, events)
        return set(found) == expected

    with ExitStack() as closing:
        until(all_found, seconds=20, every=0)
        yield found
