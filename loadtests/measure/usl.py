"""The Universal Scalability Law: X(N) = g N / (1 + a (N - 1) + b N (N - 1)); a is queueing, b is talking."""

import numpy as np

from loadtests.measure.intervals import Floats

NAMES = ("g", "a", "b")
PARAMETERS = 3
SUBSETS = ([0], [0, 1], [0, 2], [0, 1, 2])  # what is left out is 0: the non-negative least squares of two bounds


def curve(workers: Floats, parameters: Floats) -> Floats:
    """Capacity, (draws, workers), of parameters (draws, 3)."""
    g, a, b = parameters.T[:, :, None]
    return g * workers / (1 + a * (workers - 1) + b * workers * (workers - 1))


def solve(workers: Floats, capacities: Floats) -> Floats:
    """Parameters (draws, 3), none negative, with the least relative errors to capacities (draws, observations).

    N/X is linear in (1, a, b)/g, so each draw is a small linear problem: no start values, no local minimum.
    """
    columns = np.stack([np.ones_like(workers), workers - 1, workers * (workers - 1)], axis=-1)
    design = capacities[..., None] * (columns / workers[:, None])
    gram = np.einsum("dij,dik->djk", design, design)
    target = design.sum(axis=1)
    different = len(np.unique(workers))
    options = [_solution(gram, target, subset) for subset in SUBSETS if len(subset) <= different]
    return _named(_best(np.array(options), target))


def peak(parameters: Floats) -> Floats:
    """Workers (draws) beyond which capacity falls; infinite without b, 1 where it falls from the start."""
    _, a, b = parameters.T
    with np.errstate(divide="ignore"):
        return np.maximum(1.0, np.sqrt(np.maximum(0.0, 1 - a) / b))


def named(parameters: Floats) -> dict[str, Floats]:
    return dict(zip(NAMES, parameters.T, strict=True))


def _solution(gram: Floats, target: Floats, subset: list[int]) -> Floats:
    solved = np.linalg.solve(gram[:, subset][:, :, subset], target[:, subset, None])[..., 0]
    full = np.zeros_like(target)
    full[:, subset] = solved
    return full


def _best(options: Floats, target: Floats) -> Floats:
    """At a least-squares solution c the explained sum is c . target, so the largest feasible one fits best."""
    explained = np.where((options >= 0).all(axis=-1), (options * target).sum(axis=-1), -np.inf)
    return options[explained.argmax(axis=0), np.arange(options.shape[1])]


def _named(linear: Floats) -> Floats:
    return np.column_stack([1 / linear[:, 0], linear[:, 1:] / linear[:, :1]])
