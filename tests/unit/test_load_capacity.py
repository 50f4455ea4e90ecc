"""Capacity at an objective: between the last stage that met it and the first that did not."""

import numpy as np
import pytest

from loadtests.experiments.crossing import crossover, draws, where
from loadtests.experiments.points import Point, Slo, capacity, served
from loadtests.measure.samples import UNANSWERED, Recorder
from loadtests.measure.validity import Validity

SLO = Slo(p99=0.250, errors=0.001)


def point(rate: float, p99: float, errors: int = 0, seconds: float = 10.0, repetition: int = 1) -> Point:
    recorder = Recorder()
    count = int(rate * seconds)
    for index in range(count):
        status = UNANSWERED if index < errors else 200
        recorder.add(index / rate, index / rate, index / rate + p99, status, "/")
    return Point(f"a/{rate:g}", "a", f"{rate:g}", repetition, rate, seconds, (0.0, seconds), recorder.take(), count - errors, None,
                 Validity("valid", (), {}))  # fmt: skip


def test_capacity_lies_where_the_line_of_latency_crosses_the_objective():
    found = capacity([point(100, 0.025), point(200, 2.5)], SLO)

    assert found.rate == pytest.approx(150, rel=0.02)
    assert not found.beyond


def test_a_service_that_met_every_stage_carries_at_least_the_last():
    found = capacity([point(100, 0.01), point(200, 0.02)], SLO)

    assert (found.rate, found.beyond, found.text) == (200, True, "at least 200/s")


def test_a_service_that_fails_from_the_first_stage_has_no_capacity():
    assert capacity([point(100, 3.0), point(200, 4.0)], SLO).rate == 0


def test_errors_end_capacity_like_latency_does():
    found = capacity([point(100, 0.01), point(200, 0.01, errors=50)], SLO)

    assert found.rate == 100
    assert not found.beyond


def test_one_error_in_a_thousand_is_allowed():
    assert point(200, 0.01, errors=2).meets(SLO)
    assert not point(200, 0.01, errors=3).meets(SLO)


def test_stages_may_come_in_any_order():
    assert capacity([point(200, 2.5), point(100, 0.025)], SLO) == capacity([point(100, 0.025), point(200, 2.5)], SLO)


def test_requests_are_counted_for_each_replica_not_each_worker():
    recorder = Recorder()
    for name in ("flask/flask-1/10", "flask/flask-1/11", "flask/flask-2/12", ""):
        recorder.add(0.0, 0.0, 0.1, 200, "/", name)

    assert served(recorder.take()) == {"flask/flask-1": 2, "flask/flask-2": 1}


def test_a_crossing_is_found_between_the_delays_that_hold_it():
    assert where([1, 10, 100], [100, 100, 10], [50, 50, 50]) == pytest.approx(10 ** (1 + np.log10(2)), rel=0.01)
    assert where([1, 10], [100, 100], [50, 50]) == float("inf")
    assert where([1, 10], [10, 10], [50, 50]) == 0.0


def curves(*medians: float, spread: float = 0.02) -> list[np.ndarray]:
    rng = np.random.default_rng(int(sum(medians)))
    return [median * np.exp(rng.normal(0, spread, 200)) for median in medians]


def test_a_crossover_is_said_with_its_interval():
    said = crossover([1, 20, 200, 1000], "threads", curves(600, 500, 80, 16), "loop", curves(400, 400, 400, 380))

    assert said.startswith("loop carries more than threads from a delay of ")
    low, high = (float(word) for word in said.partition("interval ")[2].rstrip("ms. )").split(" to "))
    assert 20 < low < high < 200


def test_no_crossover_is_claimed_where_the_intervals_do_not_say():
    said = crossover([1, 20], "threads", curves(400, 400, spread=0.5), "loop", curves(400, 410, spread=0.5))

    assert said == "These measurements do not say from which delay on loop carries more than threads."


def test_who_is_always_ahead_is_said_to_be():
    assert (
        crossover([1, 20], "a", curves(10, 10), "b", curves(90, 90)) == "b carries more than a at every delay measured."
    )
    assert (
        crossover([1, 20], "a", curves(90, 90), "b", curves(10, 10)) == "a carries more than b at every delay measured."
    )


def test_capacities_drawn_anew_lie_around_the_one_measured():
    stages = [point(100, 0.025), point(200, 2.5)]
    drawn = draws(stages, SLO, 50)

    assert drawn.shape == (50,)
    assert np.median(drawn) == pytest.approx(capacity(stages, SLO).rate)
