"""Whether a measurement may be believed: verdicts that follow from the figures, each in a sentence."""

import numpy as np
import pytest

from loadtests.measure import validity
from loadtests.measure.edgelog import EdgeTimes, aligned, parse
from loadtests.measure.meter import Usage
from loadtests.measure.samples import DROPPED, NO_ID, Recorder, Samples
from loadtests.measure.validity import INVALID, LIMITS, SUSPECT, VALID, judge

SECONDS, RATE = 20.0, 200.0


def usage(**changed) -> Usage:
    quiet = {"seconds": SECONDS, "cpu": {"generator": 2.0}, "memory": {}, "throttled": {"generator": 0.0}, "waited": 0.4,
             "steal": 0.001, "pressure": None}  # fmt: skip
    return Usage(**(quiet | changed))


def run(lag: float = 0.0002, service: float = 0.010, rate: float = RATE, dropped: float = 0.0) -> Samples:
    """What an open model measures of a stack that answers each request in `service` seconds."""
    rng, recorder = np.random.default_rng(1), Recorder()
    due = np.sort(rng.random(rng.poisson(rate * SECONDS)) * SECONDS)
    done = due + lag + rng.exponential(service, len(due))
    for at, end in zip(due, done, strict=True):
        status = DROPPED if rng.random() < dropped else 200
        under_way = int(np.sum((due < at) & (done > at)))
        recorder.add(at, at if status == DROPPED else at + lag, end, status, "/", "", 0, under_way)
    return recorder.take()


def verdict(samples: Samples, used: Usage, edge: EdgeTimes | None = None) -> validity.Validity:
    return judge(validity.figures(samples, SECONDS, RATE, used, edge))


def test_a_quiet_run_is_valid():
    assert verdict(run(), usage()).word == VALID


def test_a_slow_stack_is_measured_validly():
    assert verdict(run(service=0.5), usage()).word == VALID


@pytest.mark.parametrize(
    ("samples", "used", "word", "reason"),
    [
        (run(), usage(waited=9.0), INVALID, "the generator had to wait for a CPU"),
        (run(), usage(waited=3.0), SUSPECT, "the generator had to wait for a CPU"),
        (run(), usage(cpu={"generator": 19.0}), INVALID, "near the end of its core"),
        (run(lag=0.3), usage(), INVALID, "sent later than they were due"),
        (run(lag=0.02), usage(), SUSPECT, "sent later than they were due"),
        (run(dropped=0.05), usage(), INVALID, "were not sent"),
        (run(rate=RATE / 2), usage(), INVALID, "did not offer the rate"),
        (run(), usage(steal=0.4), INVALID, "hypervisor"),
        (run(), usage(throttled={"generator": 2.0}), INVALID, "CPU quota"),
    ],
)
def test_a_poisoned_run_is_called_so_with_its_reason(samples: Samples, used: Usage, word: str, reason: str):
    found = verdict(samples, used)

    assert found.word == word
    assert any(reason in sentence for sentence in found.reasons), found.reasons


def test_requests_under_way_that_do_not_fit_rate_times_latency_are_seen():
    samples = run(service=0.2)
    doubled = Samples(
        {**samples.columns, "in_flight": samples.in_flight * 2}, samples.ids, samples.names, samples.replicas
    )

    assert verdict(doubled, usage()).word == INVALID


def test_a_client_that_waits_longer_than_the_edge_took_measures_itself():
    edge, client = np.full(1000, 0.010), np.full(1000, 0.300)
    found = verdict(run(), usage(), EdgeTimes(client, edge, edge))

    assert found.word == INVALID
    assert "the client's clock says much more than the edge's" in found.reasons[0]


def test_the_worst_reason_comes_first():
    found = judge({"steal": 0.06, "dropped arrivals": 0.5})

    assert found.word == INVALID
    assert "were not sent" in found.reasons[0]


def test_short_and_small_windows_are_suspect():
    assert validity.notes(50, 1.0, "") == [
        "too few requests for a 99th percentile: 50",
        "a stage was measured shortly: 1.0 s",
    ]
    assert validity.notes(5000, 10.0, "shared") == ["shared"]


def test_every_limit_is_stricter_for_suspicion():
    assert all(limit.suspect < limit.invalid for limit in LIMITS)


def test_a_busy_generator_of_a_closed_load_is_no_fault():
    found = validity.figures(run(), SECONDS, None, usage(cpu={"generator": 20.0}), None)

    assert judge(found).word == VALID


def test_the_edges_log_is_found_by_request_id():
    number = bytes(range(16))
    line = f'nginx | {{"request_id":"{number.hex()}","uri":"/","request_time":0.012,"upstream_response_time":"0.010"}}'
    recorder = Recorder()
    recorder.add(1.0, 1.0, 1.015, 200, "/", request_id=number)
    recorder.add(1.0, 1.0, 1.5, 200, "/", request_id=NO_ID)
    times = aligned(recorder.take(), parse([line, "not a line of ours"]))

    assert times.edge.tolist() == [0.012]
    assert times.gap[0] == pytest.approx(0.003)


def test_a_rate_so_low_that_nothing_came_is_no_fault_of_the_generator():
    nothing = Recorder().take()

    assert judge(validity.figures(nothing, 5.0, 0.5, usage(), None)).word == VALID
    assert judge(validity.figures(nothing, 5.0, 50.0, usage(), None)).word == INVALID


def test_each_of_several_processes_sees_its_own_requests_only():
    samples = run(service=0.2)
    halves = Samples(
        {**samples.columns, "in_flight": samples.in_flight // 2}, samples.ids, samples.names, samples.replicas
    )

    assert judge(validity.figures(halves, SECONDS, RATE, usage(), None, processes=2)).word == VALID
    assert judge(validity.figures(halves, SECONDS, RATE, usage(), None, processes=1)).word != VALID
