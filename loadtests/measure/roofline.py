"""A roofline: X(N) = min(N x1, cap), rounded at the knee; what workers give until something else is full."""

import numpy as np

from loadtests.measure.intervals import Floats

NAMES = ("x1", "cap", "knee")
PARAMETERS = 2
SHARPNESS = 8  # of the p-norm: 8 % below both lines at the knee, 1 % at 1.3 and 0.75 of it
GRID = 200  # knees tried, 2 % apart; a parabola finds the place between them
BEYOND = 4.0  # (!) a knee at more than this times the largest N is none: the ceiling was not seen and is infinite


def curve(workers: Floats, parameters: Floats) -> Floats:
    """Capacity, (draws, workers), of parameters (draws, 2): capacity of one worker, ceiling."""
    x1, cap = parameters.T[:, :, None]
    with np.errstate(invalid="ignore"):
        rising = x1 * workers
        bounded = rising * (1 + (rising / cap) ** SHARPNESS) ** (-1 / SHARPNESS)
    return np.where(np.isinf(rising), cap, bounded)


def solve(workers: Floats, capacities: Floats) -> Floats:
    """Parameters (draws, 2) with the least squares of logarithms to capacities (draws, observations).

    For a given knee the best x1 is a mean, so one search over knees finds the global optimum.
    """
    knees = np.linspace(np.log(workers.min() / 2), np.log(BEYOND * workers.max()), GRID)
    shapes = _shape(workers, knees)
    errors = _errors(np.log(capacities), shapes)
    best = errors.argmin(axis=1)
    log_knee = _between(knees, errors, best)
    log_x1 = (np.log(capacities) - _shape(workers, log_knee)).mean(axis=1)
    return _open_ended(log_x1, log_knee, best)


def named(parameters: Floats) -> dict[str, Floats]:
    """The knee is where the two lines cross: cap / x1 workers."""
    x1, cap = parameters.T
    return {"x1": x1, "cap": cap, "knee": cap / x1}


def _shape(workers: Floats, log_knees: Floats) -> Floats:
    """Logarithm of the speed-up, (knees, observations)."""
    ratio = workers / np.exp(log_knees)[:, None]
    return np.log(workers) - np.log1p(ratio**SHARPNESS) / SHARPNESS


def _errors(logs: Floats, shapes: Floats) -> Floats:
    """Sums of squares around the mean, (draws, knees), of logs (draws, n) less shapes (knees, n)."""
    centred = logs - logs.mean(axis=1, keepdims=True)
    shapes = shapes - shapes.mean(axis=1, keepdims=True)
    crossed = np.einsum("di,ki->dk", centred, shapes)  # not @, whose threads cost more than they save here
    return (centred**2).sum(axis=1)[:, None] - 2 * crossed + (shapes**2).sum(axis=1)


def _between(knees: Floats, errors: Floats, best: np.ndarray) -> Floats:
    inner = best.clip(1, GRID - 2)
    rows = np.arange(len(best))
    left, middle, right = (errors[rows, inner + step] for step in (-1, 0, 1))
    bend = left - 2 * middle + right
    with np.errstate(invalid="ignore", divide="ignore"):
        shift = np.where((bend > 0) & (inner == best), (left - right) / (2 * bend), 0.0)
    return knees[best] + shift.clip(-1, 1) * (knees[1] - knees[0])


def _open_ended(log_x1: Floats, log_knee: Floats, best: np.ndarray) -> Floats:
    x1 = np.where(best == 0, np.inf, np.exp(log_x1))
    cap = np.where(best == GRID - 1, np.inf, np.exp(log_x1 + log_knee))
    return np.column_stack([x1, cap])
