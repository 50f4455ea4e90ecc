"""What the client saw, what the edge logged and what the database holds, compared: what was lost, and was it explained?"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from typing import Any, NamedTuple

from loadtests.oracle.records import METHODS, Listener, Request, Summary

LOGGED = re.compile(
    r'[?&]oracle=([0-9a-f-]{36}).*?"status":(\d+).*?"upstream_addr":"([^"]*)","upstream_status":"([^"]*)"'
)


class Mark(NamedTuple):
    word: str
    at: float  # seconds since 1970


class Logged(NamedTuple):
    """A line of the edge's access log."""

    status: int
    upstream: str  # addresses that were tried, with commas
    upstream_status: str

    def __str__(self) -> str:
        return f"{self.status} of {self.upstream or 'the edge itself'} ({self.upstream_status or '-'})"


@dataclass(frozen=True)
class Tally:
    """Of requests of one method and kind."""

    sent: int
    answered: int  # with whatever status
    lost: int  # no answer, half of one, or none of 2xx


@dataclass(frozen=True)
class Judgement:
    requests: int
    tallies: dict[str, Tally]  # by `METHOD kind`
    lost: dict[str, int]  # by method
    acknowledged: int  # writes that were answered with 2xx
    stored: int  # of these: there, once
    missing: int  # of these: not there
    twice: int  # rows too many: of requests, and of what sockets said
    unacknowledged: int  # writes that are there though their client was not told: allowed
    unexplained: int  # losses that the edge's log knows nothing of, or calls a success
    chat_missed: int
    chat_repeated: int
    chat_disordered: int
    chat_unstored: int  # messages that were told to somebody and are not there
    listeners: int
    reconnects: dict[str, int]  # by code or word
    said: int
    complaints: int
    slowest: dict[str, float]  # seconds to an answer of 2xx, by method
    outage: float  # seconds, the longest without any success
    rate: float  # requests/s
    asked: float
    cpu: float  # of one core, by the client
    late: float  # seconds, of the client behind its schedule; nobody's fault but this machine's
    marks: list[Mark] = field(default_factory=list)
    losses: list[str] = field(default_factory=list)  # a line for each, with its distance from the marks
    read_log: bool = True

    @property
    def worst(self) -> float:
        return max(self.slowest.values(), default=0.0)

    @property
    def faults(self) -> dict[str, int]:
        """Everything that must be 0 when nothing is lost."""
        return {
            **{f"{method} lost": count for method, count in self.lost.items()},
            "writes missing": self.missing, "rows twice": self.twice, "unexplained": self.unexplained,
            "chat messages missed": self.chat_missed, "repeated": self.chat_repeated,
            "out of order": self.chat_disordered, "told and not stored": self.chat_unstored,
        }  # fmt: skip

    @property
    def clean(self) -> bool:
        return not any(self.faults.values())

    def sentence(self) -> str:
        told = ", ".join(f"{count} {name}" for name, count in self.faults.items())
        log = "" if self.read_log else " (no edge log was read)"
        return (
            f"{self.requests} requests at {self.rate:.0f} of {self.asked:g}/s, {self.acknowledged} writes and "
            f"{self.listeners} readers: {told}{log}; {sum(self.reconnects.values())} reconnects, "
            f"worst {self.worst:.2f} s, longest gap {self.outage:.2f} s, the client itself up to {self.late:.2f} s late"
        )

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "marks": [mark._asdict() for mark in self.marks], "worst": self.worst}


def judge(
    requests: Sequence[Request], lines: Iterable[str] | None, rows: Sequence[Mapping[str, Any]],
    listeners: Sequence[Listener], summary: Summary, asked: float = 0, marks: Sequence[Mark] = (),
) -> Judgement:  # fmt: skip
    """`lines`: the edge's access log, None when nobody can read it; `rows`: every message above summary.first."""
    logged = parse(lines or ())
    lost = sorted((each for each in requests if each.lost), key=lambda each: each.at)
    posts = [each for each in requests if each.method == "POST"]
    count = Counter(row["text"] for row in rows)
    wrong = [each for each in posts if count[each.id] > 1 or (each.acknowledged and not count[each.id])]
    stored = {int(row["id"]) for row in rows}
    readers = [heard(each, stored, summary.until) for each in listeners]
    return Judgement(
        requests=len(requests),
        tallies=tallies(requests),
        lost=per_method(Counter(each.method for each in lost)),
        **writes(posts, [text for each in listeners for text in each.said], count),
        unexplained=sum(not explained(each, logged[each.id]) for each in lost if lines is not None),
        **chat(readers),
        listeners=len(listeners),
        reconnects=dict(Counter(word for each in listeners for _, word in each.closed)),
        said=sum(len(each.said) for each in listeners),
        complaints=sum(each.complaints for each in listeners),
        slowest=per_method(slowest(requests)),
        outage=longest_gap(requests),
        rate=summary.rate,
        asked=asked or summary.rate,
        cpu=summary.cpu,
        late=summary.late,
        marks=list(marks),
        losses=[
            *(told(each, logged[each.id], marks) for each in lost),
            *(f"stored {count[each.id]} times: {told(each, logged[each.id], marks)}" for each in wrong),
            *(str(each) for each in readers if each),
            *(f"message {number} was told to readers and is not stored" for number in sorted(unstored(readers))),
        ],
        read_log=lines is not None,
    )


def parse(lines: Iterable[str]) -> dict[str, list[Logged]]:
    """Request -> its lines; more than one when it was sent again. Empty for those that the edge does not know."""
    found: dict[str, list[Logged]] = defaultdict(list)
    for match in filter(None, map(LOGGED.search, lines)):
        found[match[1]].append(Logged(int(match[2]), match[3], match[4]))
    return found


def explained(request: Request, lines: Sequence[Logged]) -> bool:
    """The edge knows that it failed; or it was never sent, and the client's own word says why."""
    if not lines:
        return not request.sent
    return not any(200 <= line.status < 300 for line in lines)


def tallies(requests: Iterable[Request]) -> dict[str, Tally]:
    groups: dict[str, list[Request]] = defaultdict(list)
    for each in requests:
        groups[f"{each.method} {each.kind}"].append(each)
    return {
        name: Tally(len(group), sum(each.status > 0 for each in group), sum(each.lost for each in group))
        for name, group in sorted(groups.items())
    }


def writes(posts: Sequence[Request], said: Sequence[str], count: Mapping[str, int]) -> dict[str, int]:
    """`count`: rows by text, which is a UUID."""
    acknowledged = [each.id for each in posts if each.acknowledged]
    return {
        "acknowledged": len(acknowledged),
        "stored": sum(count[text] == 1 for text in acknowledged),
        "missing": sum(not count[text] for text in acknowledged),
        "twice": sum(max(count[text] - 1, 0) for text in [*(each.id for each in posts), *said]),
        "unacknowledged": sum(not each.acknowledged and count[each.id] > 0 for each in posts),
    }


@dataclass(frozen=True)
class Heard:
    """What one reader of the chat heard, beside what was due to it."""

    reader: Listener
    missed: list[int]
    repeated: int
    disordered: int
    unstored: set[int]  # ids it heard that are not there

    def __bool__(self) -> bool:
        return bool(self.missed or self.repeated or self.disordered)

    def __str__(self) -> str:
        missed = f"missed {len(self.missed)}" + (f" ({self.missed[0]} to {self.missed[-1]})" if self.missed else "")
        closed = ", ".join(word for _, word in self.reader.closed) or "never"
        wrong = f"{missed}, {self.repeated} repeated, {self.disordered} out of order"
        return f"{self.reader.name}: {wrong}; its connection was closed: {closed}"


def heard(reader: Listener, stored: set[int], until: int) -> Heard:
    """Every row is due to every reader, up to the last that anybody was told of."""
    ids = list(reader.ids())
    once = dict.fromkeys(ids)
    missed = sorted(number for number in stored - once.keys() if number <= until)
    return Heard(reader, missed, len(ids) - len(once), disordered(once), once.keys() - stored)


def chat(readers: Sequence[Heard]) -> dict[str, int]:
    return {
        "chat_missed": sum(len(each.missed) for each in readers),
        "chat_repeated": sum(each.repeated for each in readers),
        "chat_disordered": sum(each.disordered for each in readers),
        "chat_unstored": len(unstored(readers)),
    }


def unstored(readers: Iterable[Heard]) -> set[int]:
    return set[int]().union(*(each.unstored for each in readers))


def disordered(ids: Iterable[int]) -> int:
    """How many came after a higher one."""
    count = highest = 0
    for number in ids:
        count += number < highest
        highest = max(number, highest)
    return count


def slowest(requests: Iterable[Request]) -> dict[str, float]:
    found: dict[str, float] = {}
    for each in requests:
        if not each.lost:
            found[each.method] = max(found.get(each.method, 0.0), each.seconds)
    return found


def per_method(found: Mapping[str, Any]) -> dict[str, Any]:
    return {method: found.get(method, 0) for method in METHODS}


def longest_gap(requests: Sequence[Request]) -> float:
    """Seconds between two successes, or before the first and after the last of them."""
    if not requests:
        return 0.0
    begin, end = min(each.at for each in requests), max(each.ended for each in requests)
    moments = sorted([begin, end, *(each.ended for each in requests if not each.lost)])
    return max(after - before for before, after in pairwise(moments))


def told(request: Request, lines: Sequence[Logged], marks: Sequence[Mark]) -> str:
    """One lost request in a line."""
    what = " ".join(filter(None, (str(request.status or ""), request.error)))
    edge = ", ".join(map(str, lines)) or "no line"
    served = f" by {request.served_by}" if request.served_by else ""
    return (
        f"{request.method} {request.path} ({request.kind}): {what}{served} after {request.seconds:.2f} s"
        f"{moment(request, marks)}; edge: {edge}; {request.id}"
    )


def moment(request: Request, marks: Sequence[Mark]) -> str:
    """When it was sent, seen from the last mark before its end."""
    before = [mark for mark in marks if mark.at <= request.ended]
    if not before:
        return ""
    last = max(before, key=lambda mark: mark.at)
    distance = request.at - last.at
    return f", sent {abs(distance):.2f} s {'after' if distance >= 0 else 'before'} {last.word}"
