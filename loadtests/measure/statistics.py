"""The figures of a report: exact percentiles, intervals, ratios, noise floor, evenness of arrivals and of shares."""

import numpy as np
from numpy.typing import ArrayLike

from loadtests.measure.comparison import Ratio, Verdict, noise_floor, ratio, ratio_of
from loadtests.measure.intervals import Floats, Interval, block_bootstrap, block_of, bootstrap, hierarchical

__all__ = [
    "Interval",
    "Ratio",
    "Verdict",
    "block_bootstrap",
    "block_of",
    "bootstrap",
    "dispersion",
    "ecdf",
    "gini",
    "hierarchical",
    "imbalance",
    "noise_floor",
    "percentiles",
    "quantile",
    "ratio",
    "ratio_of",
]

PER_MILLE = {"p50": 500, "p90": 900, "p95": 950, "p99": 990, "p999": 999, "max": 1000}


def percentiles(values: ArrayLike) -> dict[str, float]:
    """p50 p90 p95 p99 p999 max, each a value that occurred: the smallest that at least so many do not exceed.

    No values, no percentiles: an empty dictionary, since a 0 would read as fast. NaN and infinity raise ValueError.
    """
    numbers = _finite(values)
    if not numbers.size:
        return {}
    ranks = {name: _rank(numbers.size, share) for name, share in PER_MILLE.items()}
    ordered = np.partition(numbers, sorted(set(ranks.values())))
    return {name: float(ordered[rank]) for name, rank in ranks.items()}


def quantile(name: str, values: ArrayLike) -> float:
    """One of them by name ("p99"), as a statistic to bootstrap: `partial(quantile, "p99")`."""
    numbers = _finite(values)
    rank = _rank(numbers.size, PER_MILLE[name])
    return float(np.partition(numbers, rank)[rank])


def ecdf(values: ArrayLike, points: int = 200) -> tuple[list[float], list[float]]:
    """At most `points` exact points (value, share of values up to it), half of them even, half thickening to the tail.

    Thinned evenly, 20,000 requests would lose what lies above p99.
    """
    ordered = np.sort(_finite(values))
    count = ordered.size
    if not count:
        return [], []
    ranks = np.arange(1, count + 1) if count <= points else _ranks(count, points // 2)
    return ordered[ranks - 1].tolist(), (ranks / count).tolist()


def dispersion(counts: ArrayLike) -> float:
    """Variance over mean of the arrivals in equal windows: 1 is Poisson, 0 clockwork, above 1 bursts."""
    numbers = _finite(counts)
    if numbers.size < 2 or numbers.mean() <= 0:
        raise ValueError("the dispersion of arrivals needs at least two windows and one arrival")
    return float(numbers.var(ddof=1) / numbers.mean())


def gini(shares: ArrayLike) -> float:
    """0 where all get the same (or nothing), towards 1 where one gets everything."""
    ordered = np.sort(_shares(shares))
    if not ordered.sum():
        return 0.0
    count = ordered.size
    weights = 2 * np.arange(1, count + 1) - count - 1
    return float(weights @ ordered / (count * ordered.sum()))


def imbalance(shares: ArrayLike) -> float:
    """Largest share over the mean share: 1 where all get the same (or nothing), n where one of n gets everything."""
    numbers = _shares(shares)
    return float(numbers.max() / numbers.mean()) if numbers.sum() else 1.0


def _rank(count: int, per_mille: int) -> int:
    return -(-per_mille * count // 1000) - 1  # integers: 0.95 * 20 is more than 19 in floating point


def _ranks(count: int, half: int) -> np.ndarray:
    even = np.linspace(1, count, half)
    tail = count + 1 - np.geomspace(count, 1, half)
    return np.unique(np.concatenate([even, tail]).round().astype(int))


def _shares(shares: ArrayLike) -> Floats:
    numbers = _finite(shares)
    if not numbers.size or numbers.min() < 0:
        raise ValueError("shares must be at least one number, none negative")
    return numbers


def _finite(values: ArrayLike) -> Floats:
    numbers = np.asarray(values, float).ravel()
    if not np.isfinite(numbers).all():
        raise ValueError("values must be finite; leave out requests without an answer")
    return numbers
