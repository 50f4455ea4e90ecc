"""Intervals that stay honest with two to five repetitions and with requests that depend on their neighbours."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil, inf, isfinite, isqrt, sqrt

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtrit

Floats = NDArray[np.float64]
Statistic = Callable[[Floats], float]

CONFIDENCE = 0.95
DRAWS = 500  # moves a 95 % limit by a twentieth of its width; 500 p99s of 20,000 requests take 0.2 s
MANY = 10  # repetitions; below, resampling them gives intervals that are too narrow (88 % instead of 95 % for five)
SEED = 1


@dataclass(frozen=True)
class Interval:
    """A value and the limits of its 95 % interval; infinite where the measurements give none."""

    value: float
    low: float
    high: float
    basis: str = ""

    def excludes(self, number: float) -> bool:
        return not self.low <= number <= self.high

    def as_json(self) -> dict[str, float | str | None]:
        limits = {name: _finite(getattr(self, name)) for name in ("value", "low", "high")}
        return limits | {"basis": self.basis}


def bootstrap(
    repetitions: ArrayLike,
    *,
    resolution: float = 0.0,
    confidence: float = CONFIDENCE,
    draws: int = DRAWS,
    rng: Generator | None = None,
) -> Interval:
    """Median of repetitions. Below ten of them the interval is Student's t on logarithms, from ten on the bootstrap.

    `resolution` is the relative width of the steps the values were found in (0.05 for steps of 5 %): repetitions
    that agree only because the steps are coarse do not become certain. One repetition has an infinite interval.
    """
    values = _numbers(repetitions, "repetitions")
    basis = f"{len(values)} repetition{'s' * (len(values) > 1)}"
    if len(values) >= MANY:
        picks = (rng or seeded()).integers(len(values), size=(draws, len(values)))
        return from_draws(float(np.median(values)), np.median(values[picks], axis=1), confidence, basis)
    low, high = _student(values, resolution, confidence)
    median = float(np.median(values))
    return Interval(median, min(low, median), max(high, median), basis)


def block_bootstrap(
    series_by_time: ArrayLike,
    statistic: Statistic,
    *,
    block: int | None = None,
    confidence: float = CONFIDENCE,
    draws: int = DRAWS,
    rng: Generator | None = None,
) -> Interval:
    """Statistic of one run, its interval from circular blocks of the values in time order.

    A block is `block` values long, by default sqrt(n): long enough to hold a queue or a pause whole, short enough to
    leave sqrt(n) blocks to draw from. `block_of` turns seconds into values. What differs between runs is not in it.
    """
    series = _numbers(series_by_time, "values")
    drawn = block_draws(series, statistic, block, draws, rng or seeded())
    return from_draws(float(statistic(series)), drawn, confidence, "blocks of one run")


def hierarchical(
    runs: Sequence[ArrayLike],
    statistic: Statistic,
    *,
    block: int | None = None,
    confidence: float = CONFIDENCE,
    draws: int = DRAWS,
    rng: Generator | None = None,
) -> Interval:
    """Median of a statistic over runs: the spread between runs, but never narrower than the blocks within them say.

    The spread between runs already holds the noise within them; the blocks guard against runs that agree by chance.
    """
    rng = rng or seeded()
    series = [_numbers(run, "values") for run in runs]
    between = bootstrap([float(statistic(run)) for run in series], confidence=confidence, draws=draws, rng=rng)
    drawn = np.array([block_draws(run, statistic, block, draws, rng) for run in series])
    into, back = _scale(drawn)
    within = from_draws(between.value, back(into(drawn).mean(axis=0)), confidence)
    if len(series) == 1:
        return Interval(between.value, within.low, within.high, "blocks of one run")
    basis = f"{between.basis}, blocks within them"
    return Interval(between.value, min(between.low, within.low), max(between.high, within.high), basis)


def block_of(seconds: float, times: ArrayLike) -> int:
    """How many values of an even arrival rate make a block of so many seconds; `times` are their seconds."""
    clock = np.asarray(times, float)
    span = float(np.ptp(clock)) if clock.size > 1 else 0.0
    return max(1, round(seconds / span * (clock.size - 1))) if span else 1


def from_draws(value: float, drawn: Floats, confidence: float = CONFIDENCE, basis: str = "") -> Interval:
    """The percentile interval of bootstrap draws (which may be infinite); it always holds the value itself."""
    tail = (1 - confidence) / 2
    low = float(np.quantile(drawn, tail, method="lower"))
    high = float(np.quantile(drawn, 1 - tail, method="higher"))
    return Interval(value, min(low, value), max(high, value), basis)


def half_width(error: float, freedom: int, confidence: float = CONFIDENCE) -> float:
    """Half of Student's interval around a mean that has this standard error."""
    return float(stdtrit(freedom, (1 + confidence) / 2)) * error


def seeded() -> Generator:
    return np.random.default_rng(SEED)


def block_draws(series: Floats, statistic: Statistic, block: int | None, draws: int, rng: Generator) -> Floats:
    """The statistic of each of so many series that are drawn anew from circular blocks."""
    count = len(series)
    length = min(block or max(1, isqrt(count)), count)
    circle = np.concatenate([series, series[: length - 1]])
    windows = np.lib.stride_tricks.sliding_window_view(circle, length)
    starts = rng.integers(count, size=(draws, ceil(count / length)))
    return np.array([statistic(windows[row].ravel()[:count]) for row in starts], float)


def _student(values: Floats, resolution: float, confidence: float) -> tuple[float, float]:
    count = len(values)
    if count == 1:
        return -inf, inf
    into, back = _scale(values)
    scaled = into(values)
    spread = sqrt(scaled.var(ddof=1) + resolution**2 / 12)  # of a value anywhere in its step
    half = half_width(spread / sqrt(count), count - 1, confidence)
    return float(back(scaled.mean() - half)), float(back(scaled.mean() + half))


def _scale(values: Floats) -> tuple[Callable, Callable]:
    """Times and rates vary by factors, so they are treated as logarithms; what can be 0 or negative is not."""
    return (np.log, np.exp) if values.min() > 0 else (np.asarray, np.asarray)


def _numbers(values: ArrayLike, what: str) -> Floats:
    numbers = np.asarray(values, float).ravel()
    if not numbers.size or not np.isfinite(numbers).all():
        raise ValueError(f"{what} must be finite numbers and at least one")
    return numbers


def _finite(number: float) -> float | None:
    return number if isfinite(number) else None
