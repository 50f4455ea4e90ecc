"""Statistics against data with known answers; simulated coverage is asserted within what 95 % gives by chance."""

from functools import partial
from math import inf, isclose

import numpy as np
import pytest
from scipy.signal import lfilter
from scipy.stats import binom

from loadtests.measure.statistics import (
    Interval,
    Ratio,
    block_bootstrap,
    block_of,
    bootstrap,
    dispersion,
    ecdf,
    gini,
    hierarchical,
    imbalance,
    noise_floor,
    percentiles,
    quantile,
    ratio,
    ratio_of,
)

RUNS = 200


def seldom(share: float, runs: int = RUNS) -> int:
    """The number of hits that a share so high falls short of once in a thousand times."""
    return int(binom.ppf(0.001, runs, share))


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20261121)


def correlated(rng: np.random.Generator, runs: int, count: int, memory: float = 0.9) -> np.ndarray:
    """Latencies around 1, (runs, count), in which each request resembles the one before, as behind a queue."""
    shocks = rng.normal(0, 0.05, (runs, count + 100))
    return 1 + lfilter([1], [1, -memory], shocks)[:, 100:]


# Percentiles and curves


def test_percentiles_are_values_that_occurred():
    assert percentiles(range(1, 1001)) == {"p50": 500, "p90": 900, "p95": 950, "p99": 990, "p999": 999, "max": 1000}


def test_a_rank_between_two_values_takes_the_higher():
    assert percentiles([3, 1, 2, 5])["p50"] == 2
    assert percentiles([3, 1, 2, 5])["p90"] == 5


def test_ranks_do_not_suffer_from_floating_point():
    for count in (20, 100, 1000, 12345):
        assert percentiles(range(1, count + 1))["p95"] == -(-95 * count // 100)


def test_one_value_is_all_percentiles():
    assert set(percentiles([0.2]).values()) == {0.2}


def test_no_values_have_no_percentiles_and_no_nan():
    assert percentiles([]) == {}


def test_a_request_without_an_answer_may_not_slip_in():
    with pytest.raises(ValueError, match="leave out requests without an answer"):
        percentiles([0.1, float("nan")])


def test_a_quantile_is_the_percentile_of_that_name(rng):
    values = rng.exponential(size=500)

    assert quantile("p99", values) == percentiles(values)["p99"]


def test_the_thinned_ecdf_is_exact_and_keeps_the_tail(rng):
    values = np.sort(rng.exponential(size=20_000))
    drawn, shares = ecdf(values, 200)

    assert len(drawn) <= 200
    assert drawn[-1] == values.max() and shares[-1] == 1
    assert all(isclose(share, np.mean(values <= value)) for value, share in zip(drawn, shares, strict=True))
    assert sum(share > 0.99 for share in shares) > 25


def test_a_short_ecdf_is_whole():
    assert ecdf([2, 1]) == ([1, 2], [0.5, 1])
    assert ecdf([]) == ([], [])


def test_poisson_arrivals_have_dispersion_one_and_clockwork_none(rng):
    assert dispersion(rng.poisson(20, 5000)) == pytest.approx(1, abs=0.1)
    assert dispersion([20] * 50) == 0


def test_dispersion_needs_arrivals():
    with pytest.raises(ValueError, match="one arrival"):
        dispersion([0, 0, 0])


@pytest.mark.parametrize(
    ("shares", "unequal", "above_mean"),
    [([5, 5, 5, 5], 0, 1), ([0, 0, 0, 8], 0.75, 4), ([1, 3], 0.25, 1.5), ([0, 0], 0, 1)],
)
def test_balance_of_known_shares(shares, unequal, above_mean):
    assert gini(shares) == pytest.approx(unequal)
    assert imbalance(shares) == pytest.approx(above_mean)


# Intervals


def test_an_interval_knows_what_it_excludes_and_has_no_infinity_in_json():
    assert Interval(2, 1, 3).excludes(0.5) and not Interval(2, 1, 3).excludes(1)
    assert Interval(2, -inf, inf).as_json() == {"value": 2, "low": None, "high": None, "basis": ""}


@pytest.mark.parametrize("repetitions", [2, 3, 5, 12])
def test_few_repetitions_hold_the_truth_in_95_of_100(rng, repetitions):
    samples = np.exp(rng.normal(np.log(400), 0.03, (RUNS, repetitions)))

    hits = sum(not bootstrap(sample, rng=rng).excludes(400) for sample in samples)
    share = 0.95 if repetitions < 10 else 0.92  # the median's bootstrap is a little narrow
    assert hits >= seldom(share)


def test_the_value_is_the_median_and_lies_inside():
    assert bootstrap([1.0, 1.01, 5.0]).value == 1.01
    assert not bootstrap([1, 1, 1, 1, 1, 1, 1, 50]).excludes(1)


def test_one_repetition_says_nothing_about_the_next():
    alone = bootstrap([400])

    assert (alone.low, alone.value, alone.high) == (-inf, 400, inf)


def test_coarse_steps_do_not_make_repetitions_certain():
    agreed = bootstrap([400, 400, 400], resolution=0.05)

    assert agreed.low < 390 and agreed.high > 410


@pytest.mark.parametrize("values", [[], [1, float("nan")]])
def test_intervals_refuse_what_is_not_a_number(values):
    with pytest.raises(ValueError, match="finite numbers"):
        bootstrap(values)


def test_blocks_hold_the_truth_where_single_requests_do_not(rng):
    runs = correlated(rng, RUNS, 900)

    in_blocks = sum(not block_bootstrap(run, np.mean, draws=100, rng=rng).excludes(1) for run in runs)
    single = sum(not block_bootstrap(run, np.mean, block=1, draws=100, rng=rng).excludes(1) for run in runs)
    assert in_blocks >= seldom(0.87)  # thirty blocks, each half as long again as the memory
    assert single < 0.6 * RUNS


def test_the_same_seed_gives_the_same_interval(rng):
    run = rng.exponential(size=400)
    p99 = partial(quantile, "p99")

    assert block_bootstrap(run, p99) == block_bootstrap(run, p99)


def test_a_block_of_seconds():
    assert block_of(2, np.arange(0, 60, 0.01)) == 200
    assert block_of(2, [5.0]) == 1


def test_a_hierarchical_interval_holds_what_differs_between_runs(rng):
    hits = 0
    for _ in range(RUNS):
        runs = [level * rng.exponential(1, 100) for level in rng.normal(1, 0.1, 3)]
        hits += not hierarchical(runs, np.mean, draws=50, rng=rng).excludes(1)

    assert hits >= seldom(0.95)


def test_runs_that_agree_by_chance_are_not_more_certain_than_their_blocks(rng):
    run = rng.exponential(size=400)
    alone = hierarchical([run], np.mean)
    twice = hierarchical([run, run], np.mean)

    assert twice.high - twice.low > 0.5 * (alone.high - alone.low)
    assert alone.basis == "blocks of one run"


# Comparisons


def test_a_ratio_holds_the_truth_in_95_of_100(rng):
    hits = 0
    for _ in range(RUNS):
        before, after = np.exp(rng.normal(0, 0.05, 3)), 2 * np.exp(rng.normal(0, 0.05, 4))
        hits += not ratio(before, after).interval.excludes(2)

    assert seldom(0.95) <= hits < RUNS


def test_a_against_a_is_not_distinguishable_in_95_of_100(rng):
    verdicts = [ratio(*np.exp(rng.normal(0, 0.02, (2, 3)))).verdict for _ in range(RUNS)]

    assert verdicts.count("not distinguishable") >= seldom(0.95)


def test_a_slowdown_of_ten_percent_is_found_in_two_percent_noise(rng):
    verdicts = []
    for _ in range(RUNS):
        floor = noise_floor(np.exp(rng.normal(0, 0.02, (8, 2, 5))).mean(axis=2))
        before, after = np.exp(rng.normal(0, 0.02, 5)), 0.9 * np.exp(rng.normal(0, 0.02, 5))
        verdicts.append(ratio(before, after, floor=floor).verdict)

    assert verdicts.count("lower") >= seldom(0.98)
    assert "higher" not in verdicts


def test_a_sure_difference_within_the_noise_floor_is_noise():
    before, after = [1.0, 1.001, 0.999], [1.03, 1.031, 1.029]

    assert ratio(before, after).verdict == "higher"
    assert ratio(before, after, floor=1.04).verdict == "not distinguishable"
    assert ratio(after, before, floor=1.04).verdict == "not distinguishable"


def test_one_repetition_each_distinguishes_nothing():
    assert str(ratio([1], [9])) == "9.00 (no interval: too few repetitions), not distinguishable"


def test_repetitions_of_one_side_serve_a_single_one_of_the_other():
    assert ratio([1.0, 1.01, 0.99], [2.0]).verdict == "higher"


def test_a_ratio_of_intervals_adds_their_widths_as_squares():
    compared = ratio_of(Interval(1, 1 / 1.03, 1.03), Interval(2, 2 / 1.04, 2 * 1.04))

    assert compared.interval.value == pytest.approx(2)
    assert compared.interval.high == pytest.approx(2 * 1.05, rel=0.001)
    assert compared.interval.low == pytest.approx(2 / 1.05, rel=0.001)
    assert ratio_of(Interval(1, -inf, inf), Interval(2, 2, 2)).verdict == "not distinguishable"


def test_a_ratio_needs_something_to_divide():
    with pytest.raises(ValueError, match="positive"):
        ratio([0.0], [1.0])


def test_the_noise_floor_holds_95_of_100_further_pairs(rng):
    held = 0
    for _ in range(RUNS):
        floor = noise_floor(np.exp(rng.normal(0, 0.02, (6, 2))))
        first, second = np.exp(rng.normal(0, 0.02, 2))
        held += 1 / floor <= second / first <= floor

    assert seldom(0.95) <= held < RUNS


def test_a_noise_floor_needs_a_pair_and_is_at_least_one():
    assert noise_floor([(100, 100)]) == 1
    with pytest.raises(ValueError, match="at least one A/A pair"):
        noise_floor([])


def test_a_ratio_reads_as_a_sentence_would_print_it():
    assert str(Ratio(Interval(0.9, 0.88, 0.92), 1.02)) == "0.90 (0.88..0.92), lower"
