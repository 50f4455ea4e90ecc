"""What the oracle's client notes: a line of JSON for each request as it ends, and for each listener at the end."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TypeVar

REQUESTS, LISTENERS, SUMMARY = "requests.jsonl", "listeners.jsonl", "summary.json"
METHODS = {"GET": "json", "POST": "messages"}  # and what is asked for
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Request:
    """One of the schedule; `id` stands in its query (`?oracle=`), and in the text of the message it writes."""

    id: str
    at: float  # when it was sent, seconds since 1970
    method: str
    path: str  # without the query
    kind: str  # a word of KINDS in client.py
    status: int  # 0: no answer
    served_by: str
    request_id: str  # the edge's
    seconds: float  # to the last byte of the answer, or to the failure
    error: str  # empty, or why there is no answer or a wrong one
    sent: bool = True  # False: the connection was not even made

    @property
    def acknowledged(self) -> bool:
        return 200 <= self.status < 300

    @property
    def lost(self) -> bool:
        return bool(self.error) or not self.acknowledged

    @property
    def ended(self) -> float:
        return self.at + self.seconds


@dataclass(slots=True)
class Listener:
    """A reader of the chat, over all its connections."""

    name: str  # `fastapi chat 7`, `fastapi events`
    after: int  # the id it came with first: all above are due to it
    runs: list[list[int]] = field(default_factory=list)  # ids in the order they came; [3, 7] is 3, 4, 5, 6, 7
    said: list[str] = field(default_factory=list)  # texts of its own
    closed: list[tuple[float, str]] = field(default_factory=list)  # when, and the code or the word of the failure
    complaints: int = 0  # answers in the error shape to what it said

    def hear(self, number: int) -> None:
        if self.runs and number == self.runs[-1][1] + 1:
            self.runs[-1][1] = number
        else:
            self.runs.append([number, number])

    @property
    def last(self) -> int:
        """The highest id so far: what a client comes back with."""
        return max((run[1] for run in self.runs), default=self.after)

    def ids(self) -> Iterator[int]:
        return (number for first, last in self.runs for number in range(first, last + 1))


@dataclass(frozen=True, slots=True)
class Summary:
    first: int  # the id before all others
    until: int  # the highest id that anybody was told of
    rate: float  # requests/s that were sent
    cpu: float  # of one core, while it sent
    late: float  # seconds that a request was sent after its time, at the worst: this machine was busy


def line(record: Request | Listener | Summary) -> str:
    return json.dumps(asdict(record), separators=(",", ":"))


def read(path: Path, kind: type[T]) -> list[T]:
    """(!) A client that was killed may leave half a line at the end; it is no record."""
    with path.open(encoding="utf-8") as file:
        return [kind(**json.loads(each)) for each in file if each.endswith("\n")]
