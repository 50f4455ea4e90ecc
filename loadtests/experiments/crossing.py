"""Where two curves of capacity cross, with an interval: plausible curves are drawn, each crossing is looked for."""

from collections.abc import Sequence
from functools import partial

import numpy as np

from loadtests.experiments.points import Point, Slo, capacity
from loadtests.measure.intervals import block_draws, seeded
from loadtests.measure.statistics import quantile

DRAWS = 200
ENOUGH = 0.95  # share of the drawn curves that have to agree


def draws(points: Sequence[Point], slo: Slo, count: int = DRAWS) -> np.ndarray:
    """Capacities that are plausible for these stages: of each, blocks of requests are drawn anew (circular, sqrt(n) long)."""
    rng = seeded()
    numbers = sorted({point.repetition for point in points})
    repetitions = [[point for point in points if point.repetition == each] for each in numbers]
    return np.median([of_repetition(stages, slo, count, rng) for stages in repetitions], axis=0)


def of_repetition(stages: Sequence[Point], slo: Slo, count: int, rng: np.random.Generator) -> np.ndarray:
    ordered = sorted(stages, key=lambda point: point.offered or 0)
    drawn = np.array([p99s(point, count, rng) for point in ordered])
    return np.array([capacity(ordered, slo, each.tolist()).rate for each in drawn.T])


def p99s(point: Point, count: int, rng: np.random.Generator) -> np.ndarray:
    series = point.done.latency
    return block_draws(series, partial(quantile, "p99"), None, count, rng) if len(series) else np.full(count, np.inf)


def crossover(delays: Sequence[float], first: str, first_drawn: Sequence[np.ndarray], second: str,
              second_drawn: Sequence[np.ndarray]) -> str:  # fmt: skip
    """The sentence: from which delay on `second` carries more than `first`, and how sure that is."""
    ahead = np.array([low < high for low, high in zip(first_drawn, second_drawn, strict=False)])
    shares = ahead.mean(axis=1)
    if shares[0] >= ENOUGH:
        return f"{second} carries more than {first} at every delay measured."
    if shares[-1] <= 1 - ENOUGH:
        return f"{first} carries more than {second} at every delay measured."
    found = np.array(
        [
            where(delays, [each[n] for each in first_drawn], [each[n] for each in second_drawn])
            for n in range(ahead.shape[1])
        ]
    )
    found = found[np.isfinite(found)]
    if len(found) < ENOUGH * ahead.shape[1]:
        return f"These measurements do not say from which delay on {second} carries more than {first}."
    low, middle, high = np.percentile(found, [2.5, 50, 97.5])
    return (
        f"{second} carries more than {first} from a delay of {middle:.0f} ms on (interval {low:.0f} to {high:.0f} ms)."
    )


def where(delays: Sequence[float], first: Sequence[float], second: Sequence[float]) -> float:
    """The last delay at which `second` overtakes, straight lines between logarithms; infinite when it never does."""
    x = np.log(np.maximum(delays[: len(first)], 1.0))
    gap = np.log(np.maximum(second, 1e-6)) - np.log(np.maximum(first, 1e-6))
    for index in range(len(gap) - 1, 0, -1):
        if gap[index] > 0 >= gap[index - 1]:
            share = -gap[index - 1] / (gap[index] - gap[index - 1])
            return float(np.exp(x[index - 1] + share * (x[index] - x[index - 1])))
    return 0.0 if gap[0] > 0 else float("inf")
