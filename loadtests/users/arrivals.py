"""When requests are due: an open model, whose arrivals do not wait for answers.

A table of stages becomes times by inverting the cumulated rate: unit steps make uniform arrivals, unit exponential
steps a Poisson process, at any rate that is constant or ramps linearly within a stage.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

KINDS = ("poisson", "uniform")
CHUNK_SECONDS = 10.0  # arrivals drawn at once, so that an endless stage needs no endless array
STAGE = re.compile(r"(?P<seconds>\d+(?:\.\d+)?)s?@(?P<first>\d+(?:\.\d+)?)(?:-(?P<last>\d+(?:\.\d+)?))?", re.A)


@dataclass(frozen=True)
class Stage:
    seconds: float
    first: float  # arrivals a second at its start
    last: float  # and at its end: the same, or a linear ramp

    @property
    def count(self) -> float:
        """Arrivals to be expected."""
        return self.seconds * (self.first + self.last) / 2


def parse(text: str) -> tuple[Stage, ...]:
    """`10s@50,30s@100-400`: ten seconds at 50 arrivals a second, then a ramp. ValueError with a sentence."""
    stages = tuple(_stage(part.strip()) for part in text.split(","))
    if not any(stage.count for stage in stages):
        raise ValueError("no stage has a rate above 0")
    return stages


def _stage(text: str) -> Stage:
    found = STAGE.fullmatch(text)
    if not found or not float(found["seconds"]):
        raise ValueError(f"{text!r} is no stage; write SECONDS@RATE or SECONDS@FROM-TO such as 10s@50 or 30s@100-400")
    return Stage(float(found["seconds"]), float(found["first"]), float(found["last"] or found["first"]))


def steady(rate: float) -> tuple[Stage, ...]:
    """One stage without an end."""
    return (Stage(float("inf"), rate, rate),)


def arrivals(stages: Sequence[Stage], kind: str, rng: np.random.Generator) -> Iterator[tuple[float, int]]:
    """(seconds since the start, index of the stage) of each arrival, ascending."""
    begin, phase = 0.0, float(rng.random())
    for index, stage in enumerate(stages):
        for offset, part in _chunks(stage):
            steps = poisson(part.count, rng) if kind == "poisson" else np.arange(phase, part.count, 1.0)
            phase += len(steps) - part.count  # clockwork goes on over the borders of stages
            for due in invert(part, steps).tolist():
                yield begin + offset + due, index
        begin += stage.seconds


def poisson(expected: float, rng: np.random.Generator) -> np.ndarray:
    """Steps of a Poisson process: how many there are is drawn, then where each lies."""
    return np.sort(rng.random(rng.poisson(expected))) * expected


def invert(stage: Stage, steps: np.ndarray) -> np.ndarray:
    """The time by which `steps` arrivals were due: rate is linear, so its integral is a parabola."""
    slope = (stage.last - stage.first) / stage.seconds
    if not slope:
        return steps / stage.first if stage.first else steps[:0]
    return 2 * steps / (stage.first + np.sqrt(np.maximum(stage.first**2 + 2 * slope * steps, 0)))


def _chunks(stage: Stage) -> Iterator[tuple[float, Stage]]:
    """A steady stage in parts of equal rate; a ramp in one part."""
    if stage.first != stage.last:
        yield 0.0, stage
        return
    offset = 0.0
    while offset < stage.seconds:
        seconds = min(CHUNK_SECONDS, stage.seconds - offset)
        yield offset, Stage(seconds, stage.first, stage.last)
        offset += seconds
