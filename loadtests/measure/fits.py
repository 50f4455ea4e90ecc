"""Fits a scalability curve to repetitions at each number of workers, with bootstrap intervals of its parameters."""

from collections.abc import Callable
from dataclasses import dataclass, field
from math import exp, inf, log, sqrt

import numpy as np
from numpy.random import Generator
from scipy.special import fdtrc

from loadtests.measure import roofline, usl
from loadtests.measure.intervals import DRAWS, Floats, Interval, from_draws, seeded
from loadtests.measure.repetitions import Measured, noise, observations, resampled

REACH = 2  # times the largest measured number; beyond it a fitted curve is a guess
MISFIT = 0.01  # a curve that would miss by so much once in a hundred times is not the curve
TINY = 1e-12  # squared relative error of data without noise


@dataclass(frozen=True)
class Model:
    """A family of curves; solve and curve work on many draws at once."""

    name: str
    parameters: int
    solve: Callable[[Floats, Floats], Floats]
    curve: Callable[[Floats, Floats], Floats]
    named: Callable[[Floats], dict[str, Floats]]


MODELS = {
    "usl": Model("Universal Scalability Law", usl.PARAMETERS, usl.solve, usl.curve, usl.named),
    "roofline": Model("roofline", roofline.PARAMETERS, roofline.solve, roofline.curve, roofline.named),
}


@dataclass(frozen=True)
class Fit:
    """One model's curve; `estimate` (1, p) and `drawn` (draws, p) are its parameters, errors are sums of squared logs."""

    model: Model
    parameters: dict[str, Interval]
    estimate: Floats = field(repr=False, compare=False)
    drawn: Floats = field(repr=False, compare=False)
    largest: int
    error: float
    misfit: bool

    def predict(self, workers: float) -> Interval:
        """Capacity at a number of workers; ValueError with a sentence beyond twice the largest measured."""
        self._within_reach(workers)
        return self._interval(lambda parameters: self._at(workers, parameters))

    def gain(self, few: float, more: float) -> Interval:
        """Ratio of the capacities at two numbers of workers."""
        self._within_reach(max(few, more))
        return self._interval(lambda parameters: self._at(more, parameters) / self._at(few, parameters))

    def _at(self, workers: float, parameters: Floats) -> Floats:
        return self.model.curve(np.array([float(workers)]), parameters)[:, 0]

    def _interval(self, of: Callable[[Floats], Floats]) -> Interval:
        return from_draws(float(of(self.estimate)[0]), of(self.drawn), basis=self.model.name)

    def _within_reach(self, workers: float) -> None:
        if workers > REACH * self.largest:
            raise ValueError(
                f"{workers:g} workers are beyond what {self.largest} measured ones can tell; "
                f"measure up to {workers / REACH:g} at least"
            )


def fit(name: str, measured: Measured, *, draws: int = DRAWS, rng: Generator | None = None) -> Fit:
    """The curve with the least relative errors; intervals resample repetitions around their means."""
    model = MODELS[name]
    workers, logs = observations(measured)
    estimate = model.solve(workers, np.exp(logs)[None])
    expected = np.log(model.curve(workers, estimate))[0]
    error = float(((logs - expected) ** 2).sum())
    drawn = model.solve(workers, resampled(measured, expected, error, model.parameters, draws, rng or seeded()))
    values, spread = model.named(estimate), model.named(drawn)
    intervals = {key: from_draws(float(values[key][0]), spread[key]) for key in values}
    misfit = _misses(measured, error, model.parameters)
    return Fit(model, intervals, estimate, drawn, max(measured), error, misfit)


def aicc(fitted: Fit, count: int) -> float:
    """Akaike's criterion for few observations; infinite where there are too few for it."""
    k = fitted.model.parameters + 1  # the noise is estimated as well
    if count - k - 1 <= 0:
        return inf
    return count * log(fitted.error / count + TINY) + 2 * k + 2 * k * (k + 1) / (count - k - 1)


def held_out(name: str, measured: Measured) -> float:
    """Typical relative error at a number of workers that the fit did not see."""
    model = MODELS[name]
    misses = []
    for n in measured:
        workers, logs = observations({other: measured[other] for other in measured if other != n})
        predicted = model.curve(np.array([float(n)]), model.solve(workers, np.exp(logs)[None]))
        misses.append(float(np.log(measured[n]).mean() - np.log(predicted[0, 0])))
    return exp(sqrt(float(np.mean(np.square(misses))))) - 1


def _misses(measured: Measured, error: float, parameters: int) -> bool:
    """Whether the curve misses the means by more than the repetitions explain (F test of lack of fit)."""
    spread, freedom = noise(measured)
    spare = len(measured) - parameters
    if freedom < 3 or spare < 1:
        return False
    pure = max(spread**2, TINY)
    lack = max(0.0, error - freedom * pure) / spare
    return bool(fdtrc(spare, freedom, lack / pure) < MISFIT)
