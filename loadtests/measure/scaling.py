"""Capacities at workers x replicas: which arrangement is meant by "N workers", and faults no server can cause."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, inf, sqrt
from statistics import median

import numpy as np

from loadtests.measure.comparison import Ratio, ratio
from loadtests.measure.intervals import CONFIDENCE, Interval, half_width
from loadtests.measure.repetitions import Measured, noise


@dataclass(frozen=True)
class Point:
    """Workers in each of so many replicas; capacities (requests/s) of the repetitions; memory (bytes) of a worker."""

    workers: int
    capacities: tuple[float, ...]
    replicas: int = 1
    memory_per_worker: float = 0.0

    @property
    def total(self) -> int:
        return self.workers * self.replicas

    @property
    def memory(self) -> float:
        return self.total * self.memory_per_worker

    def __str__(self) -> str:
        workers = f"{self.workers} worker{'s' * (self.workers > 1)}"
        return workers if self.replicas == 1 else f"{self.replicas} replicas of {workers}"


def arrangements(points: Sequence[Point], floor: float = 1.0) -> list[Point]:
    """One point for each total number of workers, fewest first.

    Arrangements that are not distinguishable from the best are pooled under the one with the fewest replicas, so that
    the luckiest of three does not stand for all; the distinguishably worse are left out.
    """
    totals = sorted({point.total for point in points})
    return [_pooled([point for point in points if point.total == total], floor) for total in totals]


def arrangement_notes(points: Sequence[Point], floor: float = 1.0) -> list[str]:
    """A sentence for each pair of arrangements of one total, against the one with the fewest replicas."""
    notes = []
    for total in sorted({point.total for point in points}):
        first, *others = _by_replicas([point for point in points if point.total == total])
        notes += [f"{each} against {first}: {_ratio(first, each, floor)}" for each in others]
    return notes


def measured(points: Sequence[Point]) -> Measured:
    """Total number of workers: capacities, as the fits take them."""
    return {point.total: point.capacities for point in points}


def gain(few: Point, more: Point, points: Sequence[Point]) -> Interval:
    """Capacity of more over few, as measured; the noise is pooled over all points."""
    return _against(few, more, points, CONFIDENCE, 0)


def superlinear(points: Sequence[Point], floor: float = 1.0) -> str:
    """The sentence for capacity per worker that rises beyond noise, or nothing.

    No server does that by being given workers; the first point was disturbed, not warm, or not full.
    """
    first, *others = arrangements(points, floor)
    confidence = 1 - (1 - CONFIDENCE) / max(1, len(others))  # of all comparisons together
    for each in others:
        rise = _against(first, each, points, confidence, each.total / first.total)
        if rise.low > floor:
            return (
                f"each of {each} carries {rise.value:.2f} times ({rise.low:.2f}..{rise.high:.2f}) what each of "
                f"{first} does: workers cannot cause that, so the measurement is at fault; measure again"
            )
    return ""


def _against(few: Point, more: Point, points: Sequence[Point], confidence: float, share: float) -> Interval:
    spread, freedom = noise({index: point.capacities for index, point in enumerate(points)})
    middle = np.log(more.capacities).mean() - np.log(few.capacities).mean() - (np.log(share) if share else 0)
    if not freedom:
        return Interval(exp(middle), 0.0, inf, "one repetition each")
    widening = sqrt(1 / len(few.capacities) + 1 / len(more.capacities))
    half = half_width(spread * widening, freedom, confidence)
    return Interval(exp(middle), exp(middle - half), exp(middle + half), "repetitions")


def _pooled(points: list[Point], floor: float) -> Point:
    best = max(points, key=lambda point: median(point.capacities))
    alike = [each for each in _by_replicas(points) if each is best or not _differ(best, each, floor)]
    capacities = tuple(capacity for each in alike for capacity in each.capacities)
    return Point(alike[0].workers, capacities, alike[0].replicas, alike[0].memory_per_worker)


def _differ(best: Point, other: Point, floor: float) -> bool:
    return _ratio(best, other, floor).verdict != "not distinguishable"


def _ratio(first: Point, second: Point, floor: float) -> Ratio:
    return ratio(first.capacities, second.capacities, floor=floor)


def _by_replicas(points: Sequence[Point]) -> list[Point]:
    return sorted(points, key=lambda point: point.replicas)
