"""Chooses between the curves, and says what the chosen one may be asked: a peak, a prediction, or nothing."""

from dataclasses import dataclass
from math import inf, isfinite, sqrt

import numpy as np
from numpy.random import Generator

from loadtests.measure import usl
from loadtests.measure.fits import MODELS, REACH, Fit, aicc, fit, held_out
from loadtests.measure.intervals import DRAWS, Interval, from_draws, half_width, seeded
from loadtests.measure.repetitions import Measured, noise

ENOUGH = 4  # different numbers of workers; the law's three parameters pass through any three
CLEAR = 4.0  # difference in AICc from which the other curve has "considerably less" support (Burnham and Anderson)
NOTHING = "nothing"  # to choose by
TWICE = 2.0  # held-out errors closer than this do not choose


@dataclass(frozen=True)
class Choice:
    """Both fits, the better one first, from so many different `numbers` of workers.

    `clear` where the other curve is no longer plausible, `fell` where the last point is below the highest beyond noise.
    """

    best: Fit
    other: Fit
    by: str
    scores: tuple[float, float]
    numbers: int
    clear: bool
    fell: bool

    @property
    def plausible(self) -> tuple[Fit, ...]:
        """The curves that a statement has to hold for; none where the better one misses the measurements."""
        if self.best.misfit or self.numbers < ENOUGH:
            return ()
        return (self.best,) if self.clear or self.other.misfit else (self.best, self.other)

    @property
    def sentence(self) -> str:
        best, other = self.best.model.name, self.other.model.name
        if self.best.misfit:
            return f"neither curve passes through the measurements; the {best} comes closer than the {other}"
        if self.by == NOTHING:
            return f"{self.numbers} numbers of workers do not choose between the curves"
        told, so = ("fits better", "") if self.clear else ("fits slightly better", ", too close to choose")
        return f"the {best} {told} than the {other} ({self.by} {self.scores[0]:.3g} against {self.scores[1]:.3g}{so})"


@dataclass(frozen=True)
class Peak:
    """Where capacity is highest, or None with the sentence why these measurements do not say."""

    workers: Interval | None
    sentence: str


def choose(measured: Measured, *, draws: int = DRAWS, rng: Generator | None = None) -> Choice:
    """Fits both curves; AICc chooses, or the error at held-out numbers of workers where AICc has too few points."""
    rng = rng or seeded()
    fits = {name: fit(name, measured, draws=draws, rng=rng) for name in MODELS}
    by, scores = _scores(measured, fits)
    first, second = sorted(scores, key=lambda name: scores[name])
    ordered = (scores[first], scores[second])
    return Choice(fits[first], fits[second], by, ordered, len(measured), _is_clear(by, ordered), _fell(measured))


def peak(choice: Choice) -> Peak:
    """The law's peak, only where the law is clearly the choice, b is surely not 0, and the fall itself was measured.

    (!) b's interval alone is not enough: to a ceiling that is reached gently the law fits well, with a b surely not 0
    and a peak where capacity only levels off.
    """
    reason = _no_peak(choice)
    if reason:
        return Peak(None, f"these measurements show no peak: {reason}")
    workers = _peak(choice.best)
    limits = f"{workers.low:.1f}..{workers.high:.1f}"
    return Peak(workers, f"capacity is highest at {workers.value:.1f} workers ({limits}) and falls beyond")


def _scores(measured: Measured, fits: dict[str, Fit]) -> tuple[str, dict[str, float]]:
    count = sum(len(values) for values in measured.values())
    scores = {name: aicc(fitted, count) for name, fitted in fits.items()}
    if len(measured) >= ENOUGH and all(isfinite(score) for score in scores.values()):
        return "AICc", scores
    if len(measured) > 2:
        return "held-out error", {name: held_out(name, measured) for name in fits}
    return NOTHING, dict.fromkeys(fits, inf)


def _is_clear(by: str, scores: tuple[float, float]) -> bool:
    if by == "AICc":
        return scores[1] - scores[0] >= CLEAR
    return by != NOTHING and scores[1] > TWICE * scores[0]


def _no_peak(choice: Choice) -> str:
    if choice.numbers < ENOUGH:
        return f"{choice.numbers} numbers of workers are too few for a curve"
    if choice.best.misfit or not choice.clear:
        return choice.sentence
    if choice.best.model is not MODELS["usl"]:
        return f"{choice.sentence}, and a roofline has none"
    far = _out_of_reach(choice.best)
    return far or ("" if choice.fell else "no measured capacity is below the highest beyond noise")


def _out_of_reach(fitted: Fit) -> str:
    b, limit = fitted.parameters["b"], REACH * fitted.largest
    if b.low <= 0:
        return f"b is {b.value:.4f} and its interval {b.low:.4f}..{b.high:.4f} includes 0"
    return f"it may lie beyond {limit} workers, twice the most measured" if _peak(fitted).high > limit else ""


def _fell(measured: Measured) -> bool:
    means = {n: float(np.log(values).mean()) for n, values in measured.items()}
    last, highest = max(means), max(means, key=lambda n: means[n])
    spread, freedom = noise(measured)
    if last == highest or not freedom:
        return False
    widening = sqrt(1 / len(measured[last]) + 1 / len(measured[highest]))
    return means[highest] - means[last] > half_width(spread * widening, freedom)


def _peak(fitted: Fit) -> Interval:
    return from_draws(float(usl.peak(fitted.estimate)[0]), usl.peak(fitted.drawn), basis=fitted.model.name)
