"""When requests are due: Poisson and uniform arrivals, steady and ramped."""

from itertools import islice

import numpy as np
import pytest

from loadtests.measure.statistics import dispersion
from loadtests.users.arrivals import Stage, arrivals, parse, steady


def rng(seed: int = 1) -> np.random.Generator:
    return np.random.default_rng(seed)


def times(stage: Stage, kind: str, generator: np.random.Generator) -> np.ndarray:
    return np.array([at for at, _ in arrivals((stage,), kind, generator)])


def counts(due: np.ndarray, seconds: float, window: float = 0.1) -> np.ndarray:
    return np.histogram(due, bins=int(seconds / window), range=(0, seconds))[0]


def test_poisson_arrivals_have_the_dispersion_of_chance():
    due = np.array([at for at, _ in arrivals((Stage(400, 100, 100),), "poisson", rng())])

    assert 0.9 < dispersion(counts(due, 400)) < 1.1


def test_uniform_arrivals_come_like_clockwork():
    due = np.array([at for at, _ in arrivals((Stage(20, 50, 50),), "uniform", rng())])

    assert np.allclose(np.diff(due), 0.02)


@pytest.mark.parametrize("kind", ["poisson", "uniform"])
def test_a_stage_offers_the_rate_that_was_asked_for(kind: str):
    offered = [len(times(Stage(10, 200, 200), kind, rng(seed))) for seed in range(50)]

    assert abs(np.mean(offered) / 2000 - 1) < 0.01


@pytest.mark.parametrize("kind", ["poisson", "uniform"])
def test_a_ramp_offers_each_rate_at_its_time(kind: str):
    due = np.concatenate([times(Stage(10, 100, 300), kind, rng(seed)) for seed in range(100)])
    early, late = np.sum(due < 1) / 100, np.sum(due >= 9) / 100

    assert due.min() >= 0
    assert due.max() <= 10
    assert abs(early / 110 - 1) < 0.05
    assert abs(late / 290 - 1) < 0.05


def test_a_ramp_to_nothing_and_from_nothing_stays_within_its_stage():
    for stage in (Stage(5, 100, 0), Stage(5, 0, 100)):
        due = times(stage, "uniform", rng())

        assert len(due) in (249, 250, 251)
        assert np.all((due >= 0) & (due <= 5))


def test_stages_follow_each_other_and_say_which_they_are():
    found = list(arrivals((Stage(2, 50, 50), Stage(2, 0, 0), Stage(2, 100, 100)), "uniform", rng()))

    assert {stage for _, stage in found} == {0, 2}
    assert min(at for at, stage in found if stage == 2) >= 4
    assert [at for at, _ in found] == sorted(at for at, _ in found)


def test_a_steady_rate_has_no_end():
    assert next(islice(arrivals(steady(1000), "poisson", rng()), 50_000, None))[0] > 40


def test_two_sources_of_half_the_rate_are_one_of_the_whole():
    halves = np.concatenate(
        [[at for at, _ in arrivals((Stage(200, 50, 50),), "poisson", rng(seed))] for seed in (1, 2)]
    )

    assert 0.9 < dispersion(counts(halves, 200)) < 1.1


def test_stages_are_read_from_a_line():
    assert parse("10s@50, 2.5@0-400") == (Stage(10, 50, 50), Stage(2.5, 0, 400))


@pytest.mark.parametrize(
    "line", ["", "10s", "10@-5", "0s@5", "10s@5x", "a@b", "10s@0", "10s@50,,", "1e3@5", "\u0661@5"]
)
def test_a_wrong_line_of_stages_is_refused_in_a_sentence(line: str):
    with pytest.raises(ValueError, match=r"is no stage; write|no stage has a rate"):
        parse(line)
