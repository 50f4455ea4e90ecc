"""Compares two measurements as a ratio with an interval; "not distinguishable" is an answer."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, hypot, inf, log, sqrt
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from loadtests.measure.intervals import CONFIDENCE, Floats, Interval, half_width

Verdict = Literal["higher", "lower", "not distinguishable"]


@dataclass(frozen=True)
class Ratio:
    """B/A with its interval, and the ratio (at least 1) up to which two measurements of the same thing differ."""

    interval: Interval
    floor: float = 1.0

    @property
    def verdict(self) -> Verdict:
        """A difference needs both: an interval without 1, and a value beyond the noise floor."""
        if self.interval.low > 1 and self.interval.value > self.floor:
            return "higher"
        if self.interval.high < 1 and self.interval.value < 1 / self.floor:
            return "lower"
        return "not distinguishable"

    def __str__(self) -> str:
        low, high = self.interval.low, self.interval.high
        limits = f"{low:.2f}..{high:.2f}" if high < inf else "no interval: too few repetitions"
        return f"{self.interval.value:.2f} ({limits}), {self.verdict}"


def ratio(before: ArrayLike, after: ArrayLike, *, floor: float = 1.0, confidence: float = CONFIDENCE) -> Ratio:
    """After/before of repetitions (positive), as geometric means; Student's t on logarithms, one noise for both sides.

    One repetition on each side gives an infinite interval; `ratio_of` takes intervals from blocks instead.
    """
    a, b = _logs(before), _logs(after)
    freedom = len(a) + len(b) - 2
    middle = float(b.mean() - a.mean())
    half = _pooled_half(a, b, freedom, confidence) if freedom else inf
    low, high = (exp(middle - half), exp(middle + half)) if freedom else (0.0, inf)
    return Ratio(Interval(exp(middle), low, high, f"{len(a)} and {len(b)} repetitions"), floor)


def ratio_of(before: Interval, after: Interval, *, floor: float = 1.0) -> Ratio:
    """After/before of two independent intervals (from blocks, or hierarchical); distances add as squares, in logs."""
    if min(before.value, after.value) <= 0:
        raise ValueError("a ratio needs positive values")
    middle = log(after.value / before.value)
    down = hypot(_distance(after.value, after.low), _distance(before.high, before.value))
    up = hypot(_distance(after.high, after.value), _distance(before.value, before.low))
    limits = (exp(middle - down), exp(middle + up) if up < inf else inf)
    return Ratio(Interval(exp(middle), *limits, after.basis or before.basis), floor)


def noise_floor(pairs: Sequence[tuple[float, float]] | Floats, *, confidence: float = CONFIDENCE) -> float:
    """The ratio (at least 1) that a further A/A pair stays within in 95 % of cases; differences below it are noise.

    A pair is two measurements of the same thing, made the way that A and B are (medians of as many repetitions).
    Pairs of several configurations go in together: with one pair alone the floor is 13 times its difference.
    """
    if not len(pairs):
        raise ValueError("a noise floor needs at least one A/A pair")
    differences = np.diff(_logs(np.asarray(pairs, float)).reshape(-1, 2))
    spread = sqrt(float(np.mean(differences**2)))  # around 0: the true ratio of an A/A pair is 1
    return exp(half_width(spread, len(pairs), confidence))


def _pooled_half(a: Floats, b: Floats, freedom: int, confidence: float) -> float:
    variance = (len(a) * a.var() + len(b) * b.var()) / freedom
    return half_width(sqrt(variance * (1 / len(a) + 1 / len(b))), freedom, confidence)


def _logs(values: ArrayLike) -> Floats:
    numbers = np.asarray(values, float).ravel()
    if not numbers.size or not (np.isfinite(numbers) & (numbers > 0)).all():
        raise ValueError("a ratio needs positive values, at least one on each side")
    return np.log(numbers)


def _distance(upper: float, lower: float) -> float:
    return log(upper / lower) if lower > 0 and upper < inf else inf
