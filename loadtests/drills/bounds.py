"""What a drill promises in numbers: which requests may be lost, and for how long a service may be without a success."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

AT_ONCE_SECONDS = 0.25  # a signal, the kernel that closes sockets, nginx that hears of it
RECOVERY_SECONDS = 5.0  # after the mend
REFUSED_SECONDS = 5.0  # a restart of nginx: 3 s for idle clients (keepalive_min_timeout), and its start


@dataclass
class Moments:
    """Seconds since 1970."""

    broken: list[tuple[float, float]] = field(default_factory=list)  # each break, from just before to just after
    mended: float = 0.0  # what was broken works again; 0: not yet

    @property
    def first(self) -> float:
        return self.broken[0][0]


Losable = Callable[[Any, Moments], bool]  # a loadtests.oracle.records.Request


def never(request: Any, moments: Moments) -> bool:
    return False


def in_flight(request: Any, moments: Moments) -> bool:
    """It was under way when something broke."""
    return any(request.at <= end + AT_ONCE_SECONDS and request.ended >= begin for begin, end in moments.broken)


def meanwhile(request: Any, moments: Moments) -> bool:
    """Between the break and a while after the mend."""
    return request.ended >= moments.first and request.at <= moments.mended + RECOVERY_SECONDS


def refused(request: Any, moments: Moments) -> bool:
    """There was nobody to connect to, for a while from the break; what was sent is answered."""
    return not request.sent and moments.first <= request.ended <= moments.first + REFUSED_SECONDS


@dataclass(frozen=True)
class Bounds:
    """By method; a time is held with what the client itself was late added, for that is no fault of the stack."""

    losable: Mapping[str, Losable] = field(default_factory=dict)  # absent: none is
    gap: Mapping[str, float] = field(default_factory=lambda: {"GET": 3.0, "POST": 3.0})  # seconds; absent: any

    def broken(self, verdict: Any, requests: Sequence[Any], moments: Moments) -> list[str]:
        """What was promised and not kept, a line each. `verdict`: a Judgement of loadtests.oracle."""
        return [*others(verdict), *self.lost(requests, moments), *self.gaps(requests, verdict.late)]

    def lost(self, requests: Iterable[Any], moments: Moments) -> Iterator[str]:
        wrong = [each for each in requests if each.lost and not self.losable.get(each.method, never)(each, moments)]
        for method in dict.fromkeys(each.method for each in wrong):
            found = [each for each in wrong if each.method == method]
            why = found[0].error or f"it was answered {found[0].status}"
            after = found[0].at - moments.first
            yield f"{len(found)} {method} lost that should not be; the first {after:+.2f} s from the break: {why}"

    def gaps(self, requests: Iterable[Any], late: float) -> Iterator[str]:
        for (service, method), gap in longest_gaps(requests).items():
            if gap > self.gap.get(method, gap) + late:
                yield f"no {method} of {service} succeeded for {gap:.2f} s, {self.gap[method]:g} s are promised"


def others(verdict: Any) -> Iterator[str]:
    """Whatever breaks: nothing acknowledged is missing, nothing is there twice, every loss is explained."""
    for name, count in verdict.faults.items():
        if count and not name.endswith("lost"):
            yield f"{count} {name}"


def longest_gaps(requests: Iterable[Any]) -> dict[tuple[str, str], float]:
    """(service, method) -> seconds between two successes, or before the first and after the last of them."""
    groups: dict[tuple[str, str], list[Any]] = {}
    for each in requests:
        groups.setdefault((each.path.split("/")[1], each.method), []).append(each)
    return {name: longest(group) for name, group in groups.items()}


def longest(group: Sequence[Any]) -> float:
    ends = [min(each.at for each in group), *(each.ended for each in group if not each.lost)]
    moments = sorted([*ends, max(each.at for each in group)])
    return max(after - before for before, after in pairwise(moments))
