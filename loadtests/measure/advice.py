"""Turns capacities into advice on the number of workers, or into the sentence that they do not say."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf

from numpy.random import Generator

from loadtests.measure.choice import Choice, Peak, choose, peak
from loadtests.measure.fits import Fit
from loadtests.measure.intervals import DRAWS, Interval, seeded
from loadtests.measure.scaling import Point, arrangement_notes, arrangements, gain, measured, superlinear

WORTH = 0.05  # of capacity; less does not pay for a worker's memory
MEGABYTE = 1e6


@dataclass(frozen=True)
class Recommendation:
    """The sentence, the point it recommends (None where nothing is decided), and what stands behind it."""

    sentence: str
    point: Point | None = None
    gain: Interval | None = None
    choice: Choice | None = None
    peak: Peak | None = None
    notes: tuple[str, ...] = ()


def recommendation(
    points: Sequence[Point],
    *,
    cores: int,
    worth: float = WORTH,
    floor: float = 1.0,
    draws: int = DRAWS,
    rng: Generator | None = None,
) -> Recommendation:
    """The fewest measured workers that no larger measured number beats by `worth`, if the intervals decide it.

    The interval of a gain spans every curve that is plausible and passes through the points, and the ratio as
    measured; without such a curve it is that of the repetitions alone.
    `floor` is the noise floor of A/A pairs (a ratio, at least 1).
    """
    _check(points)
    notes = tuple(arrangement_notes(points, floor))
    candidates = arrangements(points, floor)
    fault = superlinear(points, floor)
    if fault or len(candidates) < 2:
        return Recommendation(_silent(fault or "one number of workers was measured", cores), notes=notes)
    choice = choose(measured(candidates), draws=draws, rng=rng or seeded())
    sentence, point, gained = _decide(candidates, choice, worth, cores)
    top = peak(choice)
    return Recommendation(sentence, point, gained, choice, top, (choice.sentence, top.sentence, *notes))


def _decide(
    candidates: list[Point], choice: Choice, worth: float, cores: int
) -> tuple[str, Point | None, Interval | None]:
    for index, point in enumerate(candidates[:-1]):
        larger = candidates[index + 1 :]
        gains = [_gain(point, each, candidates, choice.plausible) for each in larger]
        if any(each.low > 1 + worth for each in gains):
            continue
        open_ones = [pair for pair in zip(larger, gains, strict=True) if pair[1].high >= 1 + worth]
        if open_ones:
            return _undecided(point, *open_ones[0], worth, cores), None, open_ones[0][1]
        return _enough(point, larger[0], gains[0], worth, cores), point, gains[0]
    *_, before, last = candidates
    gained = _gain(before, last, candidates, choice.plausible)
    return _at_least(before, last, gained, cores), last, gained


def _gain(few: Point, more: Point, points: Sequence[Point], plausible: tuple[Fit, ...]) -> Interval:
    direct = gain(few, more, points)
    gains = [each.gain(few.total, more.total) for each in plausible]
    if not gains:
        return direct
    low = min(direct.value, *(each.low for each in gains))
    high = max(direct.value, *(each.high for each in gains))
    return Interval(gains[0].value, low, high, gains[0].basis)


def _enough(point: Point, more: Point, gained: Interval, worth: float, cores: int) -> str:
    added = (more.memory - point.memory) / MEGABYTE
    cost = f" and cost{'s' * _one_more(point, more)} {added:.0f} MB" if added > 0 else ""
    return f"use {point}; {_adds(point, more)} less than {100 * worth:.0f} % ({_limits(gained)}){cost}; {_rule(cores)}"


def _undecided(point: Point, more: Point, gained: Interval, worth: float, cores: int) -> str:
    amount = f"{_percent(gained.low)} to {_percent(gained.high)}" if gained.high < inf else "an unknown amount"
    reason = f"{point} may be enough, but {_adds(point, more)} {amount}, so perhaps more than {100 * worth:.0f} %"
    return _silent(f"{reason}; more repetitions narrow it", cores)


def _at_least(before: Point, last: Point, gained: Interval, cores: int) -> str:
    grown = f"they carry {100 * (gained.value - 1):.0f} % more than {before} ({_limits(gained)})"
    return f"use at least {last}, the most that was measured: {grown}; measure more to find the end; {_rule(cores)}"


def _silent(reason: str, cores: int) -> str:
    return f"these measurements do not say how many workers to use: {reason}; {_rule(cores)}"


def _adds(point: Point, more: Point) -> str:
    return f"a {_ordinal(more.workers)} adds" if _one_more(point, more) else f"{more} add"


def _one_more(point: Point, more: Point) -> bool:
    return point.replicas == more.replicas == 1 and more.workers == point.workers + 1


def _ordinal(number: int) -> str:
    ending = {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th") if number % 100 not in (11, 12, 13) else "th"
    return f"{number}{ending}"


def _limits(gained: Interval) -> str:
    return f"interval {_percent(gained.low)}..{_percent(gained.high)}"


def _percent(ratio: float) -> str:
    return f"{(ratio - 1) * 100:+.1f} %"


def _rule(cores: int) -> str:
    return f"the rule 2n+1 would have said {2 * cores + 1}"


def _check(points: Sequence[Point]) -> None:
    if not points or any(not point.capacities or min(point.capacities) <= 0 for point in points):
        raise ValueError("a recommendation needs points, each with positive capacities")
