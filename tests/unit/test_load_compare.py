"""Two stored runs: a regression is found, noise is not, and what cannot be compared is refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from loadtests import compare, gate
from loadtests.errors import Stop
from loadtests.report.runs import Runs

SERVICES = ("flask", "fastapi")


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Runs:
    monkeypatch.setattr(compare, "REPORTS", tmp_path)
    return Runs(tmp_path)


def point(service: str, stage: str, repetition: int, offered: float | None, factor: float, noise) -> dict[str, Any]:
    wobble = lambda: float(np.exp(noise.normal(0, 0.02)))  # noqa: E731
    latency = {name: 0.01 * scale * factor * wobble() for name, scale in {"p50": 1, "p95": 3, "p99": 5}.items()}
    rate = offered or 500 / factor * wobble()
    return {"key": f"{service}/{stage}", "service": service, "stage": stage, "repetition": repetition, "offered": offered,
            "achieved": rate, "seconds": 5.0, "requests": 1000, "errors": 0, "latency": latency, "service_time": latency,
            "cost": {"app": 0.002 * factor * wobble()}, "memory": {}, "balance": 1.0, "window": [0.0, 5.0],
            "validity": {"verdict": "valid", "reasons": [], "figures": {}}}  # fmt: skip


def stored(runs: Runs, factor: float = 1.0, seed: int = 1, repetitions: int = 3, **changed: Any) -> str:
    noise = np.random.default_rng(seed)
    points = [point(service, stage, repetition, offered, factor if service == "flask" else 1.0, noise)
              for service in SERVICES for stage, offered in (("peak", None), ("50%", 250.0), ("80%", 400.0))
              for repetition in range(1, repetitions + 1)]  # fmt: skip
    name = f"20261121-1430{seed:02d}-load"
    run = {"format": 1, "id": name, "experiment": "load", "title": "Throughput", "started": "2026-11-21T14:30:00Z",
           "seconds": 10.0, "quick": False, "interrupted": False, "command": "./ponte load", "conclusion": "Fast.",
           "config": {"services": list(SERVICES), "mix": "visit"}, "environment": {}, "notes": [], "tables": [], "plots": [],
           "verdict": {"word": "valid", "reasons": []}, "points": points, "validity": []}  # fmt: skip
    (runs.folder / name).mkdir()
    runs.save(runs.folder / name, run | changed)
    return name


def words(runs: Runs, a: str, b: str) -> list[str]:
    return [each.word for each in compare.differences(runs, runs.load(a), runs.load(b))]


def test_a_slower_build_is_a_regression_and_ends_with_1(runs: Runs, capsys: pytest.CaptureFixture[str]):
    a, b = stored(runs), stored(runs, factor=1.3, seed=2)

    assert compare.main({"A": a, "B": b}) == 1
    assert f"{b} is a regression: " in capsys.readouterr().out


def test_what_the_machine_itself_lost_is_no_regression(runs: Runs):
    fast, slow = ({"host": {"speed": speed}} for speed in (100_000, 75_000))
    a = stored(runs, environment=fast)

    assert "regression" not in words(runs, a, stored(runs, factor=1.25, seed=2, environment=slow))
    assert "regression" in words(runs, a, stored(runs, factor=1.25, seed=3, environment=fast))


def test_a_faster_build_is_an_improvement_and_ends_with_0(runs: Runs, capsys: pytest.CaptureFixture[str]):
    assert compare.main({"A": stored(runs), "B": stored(runs, factor=0.7, seed=2)}) == 0
    assert "is an improvement" in capsys.readouterr().out


def test_the_same_build_twice_is_not_distinguishable(runs: Runs):
    loud = sum(
        "regression" in words(runs, stored(runs, seed=seed), stored(runs, seed=seed + 1)) for seed in range(1, 41, 2)
    )

    assert loud <= 2  # of 20


def test_only_the_service_that_changed_is_named(runs: Runs):
    a, b = stored(runs), stored(runs, factor=1.3, seed=2)
    worse = [each for each in compare.differences(runs, runs.load(a), runs.load(b)) if each.word == "regression"]

    assert {each.stage.partition("/")[0] for each in worse} == {"flask"}


def test_stages_at_different_rates_are_not_compared(runs: Runs):
    a, b = stored(runs), stored(runs, seed=2)
    drifted = runs.load(b)
    for each in drifted["points"]:
        each["offered"] = each["offered"] and each["offered"] * 1.5
        each["achieved"] *= 1.5

    assert {key.rpartition("/")[2] for key, *_ in compare.stages(runs.load(a), drifted)} == {"peak"}


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"experiment": "websockets"}, "compare runs of one experiment"),
        ({"config": {"services": ["flask"], "mix": "visit"}}, "services differs"),
        ({"config": {"services": list(SERVICES), "mix": "json"}}, "mix differs: visit in"),
        ({"points": []}, "has no stages to compare"),
    ],
)
def test_runs_that_ask_different_questions_are_refused(runs: Runs, changed: dict, sentence: str):
    a, b = stored(runs), stored(runs, seed=2, **changed)

    with pytest.raises(Stop, match=sentence) as refused:
        compare.main({"A": a, "B": b})
    assert refused.value.code == 2


@pytest.mark.parametrize("given", [{}, {"A": "x"}, {"A": "no-such-run", "B": "no-such-run"}])
def test_a_run_that_is_not_there_is_refused_in_a_sentence(runs: Runs, given: dict):
    with pytest.raises(Stop) as refused:
        compare.main(given)
    assert refused.value.code == 2


@pytest.fixture
def judged(runs: Runs, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr(gate, "REPORTS", runs.folder)

    def judge(thresholds: str, **changed: Any) -> int:
        slo = tmp_path / "slo.toml"
        slo.write_text(thresholds)
        return gate.main({"RUN": stored(runs, **changed), "SLO": str(slo)})

    return judge


def test_a_gate_that_holds_ends_with_0(judged):
    assert judged("[gate]\nup_to = 0.8\np95 = 0.1\np99 = 0.1\nerrors = 0.0\nimbalance = 1.1\n") == 0


@pytest.mark.parametrize("broken", ["p50 = 0.001", "p95 = 0.02", "p99 = 0.04", "imbalance = 0.9"])
def test_a_gate_that_does_not_hold_says_which_stage_broke_it_and_ends_with_1(judged, broken: str, capsys):
    assert judged(f"[gate]\n{broken}\n") == 1
    assert f"flask/50% (repetition 1): {broken.partition(' ')[0]} is " in capsys.readouterr().out


def test_stages_that_are_meant_to_be_too_much_are_not_judged(judged):
    assert judged("[gate]\nup_to = 0.4\np99 = 0.001\n") == 1  # nothing is left to judge, and that is no pass
    assert judged("[gate]\nup_to = 0.5\np99 = 0.1\n", seed=2) == 0


def test_an_invalid_measurement_passes_no_gate(judged):
    assert judged("[gate]\np99 = 9\n", verdict={"word": "invalid", "reasons": ["starved"]}) == 1
    assert judged("[gate]\np99 = 9\n", seed=2, verdict={"word": "suspect", "reasons": []}) == 0
    assert judged('[gate]\np99 = 9\nverdict = "valid"\n', seed=3, verdict={"word": "suspect", "reasons": []}) == 1


@pytest.mark.parametrize("text", ["[gate]\np98 = 1\n", "not toml", "[other]\n", '[gate]\nverdict = "perfect"\n'])
def test_wrong_thresholds_are_refused(judged, text: str):
    with pytest.raises(Stop) as refused:
        judged(text)
    assert refused.value.code == 2
