"""Repetitions at each number of workers: their noise, and drawing them anew."""

from collections.abc import Mapping, Sequence
from math import inf, sqrt

import numpy as np
from numpy.random import Generator

from loadtests.measure.intervals import Floats

Measured = Mapping[int, Sequence[float]]  # number of workers: capacities (requests/s) of the repetitions

WORST = 3.0  # in logarithms: a factor of 20 says "unknown" as well as a larger one


def observations(measured: Measured) -> tuple[Floats, Floats]:
    """Numbers of workers and logarithms of the capacities, one entry per repetition, sorted by workers."""
    pairs = [(n, capacity) for n in sorted(measured) for capacity in measured[n]]
    workers, capacities = np.array(pairs, float).reshape(-1, 2).T
    if len(set(workers)) < 2 or not (np.isfinite(capacities) & (capacities > 0) & (workers >= 1)).all():
        raise ValueError("a curve needs positive capacities at two or more numbers of workers")
    return workers, np.log(capacities)


def noise(measured: Measured) -> tuple[float, int]:
    """Relative standard deviation between repetitions, pooled over all numbers of workers, and its degrees of freedom."""
    groups = [np.log(np.asarray(values, float)) for values in measured.values() if len(values)]
    freedom = sum(len(group) - 1 for group in groups)
    if not freedom:
        return inf, 0
    return sqrt(sum(float(group.var() * len(group)) for group in groups) / freedom), freedom


def resampled(
    measured: Measured, expected: Floats, error: float, parameters: int, draws: int, rng: Generator
) -> Floats:
    """Capacities (draws, observations): the mean at each number of workers and a deviation drawn from all of them.

    Relative deviations are pooled, widened by sqrt(n/(n-1)), and each draw scales them by a noise level that fits as
    well (the step from the normal distribution to Student's t). Simulated with 2 to 5 repetitions and equal noise the
    intervals hold 92 to 97 %; from three repetitions of their own number of workers alone they would hold 87 %.
    """
    spread, freedom = noise(measured)
    count = len(expected)
    if not freedom:
        freedom = max(1, count - parameters)
        spread = sqrt(error / freedom) if count > parameters else inf
        return _around(expected, _scales(draws, freedom, rng) * rng.normal(0, min(spread, 1.0), (draws, count)))
    means = np.concatenate([np.full(len(measured[n]), np.log(measured[n]).mean()) for n in sorted(measured)])
    return _around(means, _scales(draws, freedom, rng) * rng.choice(_deviations(measured), (draws, count)))


def _around(logs: Floats, deviations: Floats) -> Floats:
    return np.exp(logs + deviations.clip(-WORST, WORST))


def _scales(draws: int, freedom: int, rng: Generator) -> Floats:
    return np.sqrt(freedom / rng.chisquare(freedom, (draws, 1)))


def _deviations(measured: Measured) -> Floats:
    groups = [np.log(np.asarray(values, float)) for values in measured.values() if len(values) > 1]
    return np.concatenate([(group - group.mean()) * sqrt(len(group) / (len(group) - 1)) for group in groups])
