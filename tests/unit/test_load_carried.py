"""`make load`: what one service carried, over its repetitions."""

import numpy as np
import pytest

from loadtests.experiments.session import Session
from loadtests.experiments.throughput import capacities, conclude
from loadtests.experiments.words import Words
from loadtests.measure.validity import Validity
from tests.unit.test_load_capacity import point


def session(*p99s: tuple[float, float]) -> Session:
    """A repetition for each pair of p99 at 100 and 200 requests/s."""
    made = Session("load", "Throughput", Words(), {"services": ["a"], "peak_users": 24}, 1.0)
    made.points = [point(rate, p99, repetition=number) for number, pair in enumerate(p99s, 1)
                   for rate, p99 in zip((100, 200), pair, strict=True)]  # fmt: skip
    made.extra["peaks"] = {"a": 250.0}
    return made


def test_capacity_is_the_median_of_the_repetitions_with_an_interval_around():
    found = capacities(session((0.02, 2.5), (0.02, 3.0), (0.02, 2.0)), ["a"])["a"]

    assert found.interval.low < found.interval.value < found.interval.high
    assert 130 < found.interval.value < 170


def test_a_repetition_that_failed_from_the_start_does_not_make_the_rest_nothing():
    found = capacities(session((0.02, 2.5), (0.02, 2.5), (3.0, 3.0)), ["a"])["a"]

    assert found.interval.value == pytest.approx(150, rel=0.1)
    assert found.shown == f"{found.interval.value:.0f}"


def test_who_mostly_fails_the_lowest_stage_carries_less_than_that():
    assert capacities(session((3.0, 3.0), (3.0, 3.0), (0.02, 2.5)), ["a"])["a"].shown == "less than 100"


def test_who_meets_every_stage_carries_at_least_the_last():
    assert capacities(session((0.02, 0.02)), ["a"])["a"].shown == "at least 200"


def test_one_repetition_has_no_interval():
    assert capacities(session((0.02, 2.5)), ["a"])["a"].limits == "one repetition"


def test_the_conclusion_is_a_sentence_with_the_capacity_first_in_the_tables():
    said = conclude(session((0.02, 0.02), (0.02, 0.02)))

    assert said.conclusion == "With p99 below 250 ms: a at least 200 requests/s."
    assert said.tables[0]["title"] == "Capacity"
    assert np.isfinite(said.plots[0]["series"][0]["y"]).all()


def test_validity_stands_beside_every_figure():
    made = session((0.02, 0.02))
    made.points[0] = point(100, 0.02)
    object.__setattr__(made.points[0], "validity", Validity("suspect", ("why",), {}))

    assert conclude(made).tables[0]["rows"][0][-1] == "suspect"
