"""From samples to points: one point is one stage of one service in one repetition."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from loadtests.experiments.generator import Load, Step
from loadtests.measure import edgelog, validity
from loadtests.measure.meter import Meter, Usage
from loadtests.measure.samples import Samples
from loadtests.measure.statistics import imbalance, percentiles
from loadtests.measure.validity import Validity


@dataclass(frozen=True)
class Slo:
    """What is good enough: 99 of 100 requests faster than `p99` seconds, at most a share of `errors`."""

    p99: float = 0.250
    errors: float = 0.001


@dataclass(frozen=True, eq=False)
class Point:
    key: str
    service: str
    stage: str
    repetition: int
    offered: float | None  # arrivals a second; None in a closed load
    seconds: float
    window: tuple[float, float]  # on the generator's clock
    samples: Samples  # what was due in it
    completed: int  # good answers that came in it, to whatever was due before
    usage: Usage | None
    validity: Validity

    @cached_property
    def done(self) -> Samples:
        return self.samples[self.samples.answered]

    @property
    def requests(self) -> int:
        return int(np.sum(self.samples.was_sent))

    @property
    def errors(self) -> int:
        return int(np.sum(~self.samples.succeeded))

    @property
    def achieved(self) -> float:
        """Good answers a second."""
        return self.completed / self.seconds

    @cached_property
    def latency(self) -> dict[str, float]:
        return percentiles(self.done.latency)

    def meets(self, slo: Slo) -> bool:
        return bool(self.latency) and self.latency["p99"] <= slo.p99 and self.errors <= slo.errors * len(self.samples)

    def cost(self) -> dict[str, float]:
        """CPU seconds a good answer, for each role."""
        if not self.usage or not self.completed:
            return {}
        return {name: used / self.completed for name, used in self.usage.cpu.items()}

    def balance(self) -> float | None:
        """The busiest replica over the mean; None where nobody says who served."""
        shares = served(self.done)
        return imbalance(list(shares.values())) if len(shares) > 1 else None

    def as_dict(self) -> dict[str, Any]:
        return {
            "key": self.key, "service": self.service, "stage": self.stage, "repetition": self.repetition,
            "offered": self.offered, "achieved": self.achieved, "seconds": self.seconds, "requests": self.requests,
            "errors": self.errors, "latency": self.latency, "service_time": percentiles(self.done.service_time),
            "cost": self.cost(), "memory": dict(self.usage.memory) if self.usage else {}, "balance": self.balance(),
            "window": list(self.window), "validity": self.validity.as_dict(),
        }  # fmt: skip


def served(samples: Samples) -> dict[str, int]:
    """Replica (or worker, where it says its pid) -> requests."""
    counts = np.bincount(samples.served_by, minlength=len(samples.replicas))
    found: dict[str, int] = {}
    for name, count in zip(samples.replicas, counts, strict=False):
        if count and name:
            replica = name.rpartition("/")[0] or name
            found[replica] = found.get(replica, 0) + int(count)
    return found


@dataclass(frozen=True)
class Watched:
    """One run of the generator, and what was seen meanwhile."""

    load: Load
    found: Samples
    repetition: int
    warm_up: float  # seconds dropped from the start of each stage
    meter: Meter | None
    logged: Mapping[bytes, tuple[float, float]]  # the edge's times by request id
    doubt: str  # why anything measured here is suspect
    until: float = float("inf")  # when it was interrupted

    def points(self) -> list[Point]:
        """One for each stage that was begun; a closed load is one, without its first fifth."""
        if self.load.steps:
            begun = [(index, step) for index, step in enumerate(self.load.steps) if np.any(self.found.stage == index)]
            found = [self.stage(index, step) for index, step in begun]
        else:
            begin = float(self.found.sent.min())
            found = [self.point("peak", None, begin + self.load.seconds / 5, begin + self.load.seconds)]
        return [point for point in found if point]

    def stage(self, index: int, step: Step) -> Point | None:
        begin = float(self.found.intended[self.found.stage == index].min())
        return self.point(step.name, step.rate, begin + self.warm_up, begin + step.seconds)

    def point(self, name: str, rate: float | None, begin: float, end: float) -> Point | None:
        """None for a stage that an interruption left in its warm-up."""
        load, found, end = self.load, self.found, min(end, self.until)
        if end <= begin:
            return None
        window, usage = found.between(begin, end), self.meter.usage(begin, end) if self.meter else None
        completed = int(np.sum(found.succeeded & (found.done >= begin) & (found.done < end)))
        edge = edgelog.aligned(window[window.answered], self.logged) if self.logged else None
        figures = validity.figures(window, end - begin, rate, usage, edge, load.processes)
        judged = validity.judge(figures, validity.notes(len(window), end - begin if rate else float("inf"), self.doubt))
        key = f"{load.service.strip('/') or 'host'}/{name}"
        return Point(
            key, load.service, name, self.repetition, rate, end - begin, (begin, end), window, completed, usage, judged
        )


@dataclass(frozen=True)
class Capacity:
    """The highest rate that met the objective, in requests a second."""

    rate: float
    beyond: bool  # every stage met it: capacity is at least this

    @property
    def text(self) -> str:
        return f"{'at least ' if self.beyond else ''}{self.rate:.0f}/s"


def capacity(points: Sequence[Point], slo: Slo, p99s: Sequence[float] | None = None) -> Capacity:
    """Between the last stage that met the objective and the first that did not, where the line of log p99 crosses it."""
    ordered = sorted(points, key=lambda point: point.offered or 0)
    last: tuple[float, float] | None = None
    for index, point in enumerate(ordered):
        p99 = p99s[index] if p99s is not None else point.latency.get("p99", float("inf"))
        rate = point.achieved
        if p99 > slo.p99 or point.errors > slo.errors * len(point.samples):
            return Capacity(crossing(last, (point.offered or rate, p99), slo), False)
        last = (rate, p99)
    return Capacity(last[0] if last else 0.0, bool(last))


def crossing(last: tuple[float, float] | None, first_bad: tuple[float, float], slo: Slo) -> float:
    if last is None:
        return 0.0
    (rate, p99), (bad_rate, bad_p99) = last, first_bad
    if not np.isfinite(bad_p99) or bad_p99 <= slo.p99 or bad_rate <= rate:
        return rate  # it failed by errors, or never answered: the last good rate is what is known
    share = np.log(slo.p99 / p99) / np.log(bad_p99 / p99)
    return float(rate + min(max(share, 0.0), 1.0) * (bad_rate - rate))


def reference(points: Sequence[Point]) -> Point:
    """The stage at about half of the peak, where a service should run."""
    peak = max(point.offered or 0 for point in points)
    return min(points, key=lambda point: abs((point.offered or 0) - peak / 2))
