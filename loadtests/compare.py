"""`make compare A= B=`: two stored runs as ratios with intervals; a regression ends with exit code 1."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from math import exp, sqrt
from pathlib import Path
from typing import Any

import numpy as np

from loadtests.errors import Stop
from loadtests.measure import samples, validity
from loadtests.measure.comparison import Ratio, ratio_of
from loadtests.measure.intervals import CONFIDENCE, Interval, half_width, hierarchical
from loadtests.measure.repetitions import noise
from loadtests.measure.samples import Samples
from loadtests.measure.statistics import ecdf, quantile
from loadtests.report import comparison, parts
from loadtests.report.runs import REPORTS, NotARun, Run, Runs, Unwritable

SAME = ("services", "mix", "arrangements", "variants", "delays", "shares", "mixes")  # what has to be equal in both
NEAR = 0.10  # stages are compared where their offered rates differ by less
MOVED = 1.02  # of the machine's own speed: worth saying
CARRIED = 0.9  # share of the offered rate that a stage must have answered
DRIFT = 1.05  # runs at different times differ by so much without a reason: see A/A runs in docs/load-testing.md
ONCE = 1.5  # and single short runs by so much


@dataclass(frozen=True)
class Metric:
    name: str
    worse: str  # "higher" or "lower"
    value: Callable[[Mapping[str, Any]], float | None]


METRICS = (
    Metric("good answers (/s)", "lower", lambda point: point["achieved"] if point["offered"] is None else None),
    Metric("app CPU a request", "higher", lambda point: point["cost"].get("app")),
    Metric("p50", "higher", lambda point: point["latency"].get("p50")),
    Metric("p99", "higher", lambda point: point["latency"].get("p99")),
)


@dataclass(frozen=True)
class Difference:
    stage: str
    metric: Metric
    before: float
    after: float
    ratio: Ratio

    @property
    def word(self) -> str:
        if self.ratio.verdict == "not distinguishable":
            return self.ratio.verdict
        return "regression" if self.ratio.verdict == self.metric.worse else "improvement"


def main(given: Mapping[str, str]) -> int:
    runs = Runs(REPORTS)
    try:
        a, b = (read(runs, given.get(name, ""), name) for name in ("A", "B"))
        comparable(a, b)
        found = differences(runs, a, b)
        path = comparison.save(runs, page(runs, a, b, found), datetime.now(UTC))
    except NotARun as error:
        raise Stop(str(error), 2) from None
    except Unwritable as error:
        raise Stop(str(error), 3) from None
    for line in lines(found):
        print(line)
    print(conclusion(a, b, found))
    print(f"report: {os.path.relpath(path / 'index.html', Path.cwd())}")
    return int(any(each.word == "regression" for each in found))


def read(runs: Runs, name: str, word: str) -> Run:
    if not name:
        raise Stop(f"compare needs {word}=, the name of a run in reports/", 2)
    return runs.load(name)


def comparable(a: Run, b: Run) -> None:
    if a["experiment"] != b["experiment"]:
        raise Stop(
            f"{a['id']} is {a['experiment']} and {b['id']} is {b['experiment']}; compare runs of one experiment", 2
        )
    for name in SAME:
        if a["config"].get(name) != b["config"].get(name):
            raise Stop(f"{name} differs: {a['config'].get(name)} in {a['id']}, {b['config'].get(name)} in {b['id']}", 2)
    for run in (a, b):
        if not run["points"]:
            raise Stop(f"{run['id']} has no stages to compare; compare takes runs of load, scaling and slow-io", 2)


def differences(runs: Runs, a: Run, b: Run) -> list[Difference]:
    """Of every stage that both runs carried, every metric both have."""
    pairs, moved = list(stages(a, b)), drift(a, b)
    # Of all comparisons together, so that one in twenty compares errs, not each line.
    level = 1 - (1 - CONFIDENCE) / max(1, len(METRICS) * len(pairs))
    raw = [(run, stored(runs, run)) for run in (a, b)]
    found = []
    for metric in METRICS:
        groups = [points for _, *both in pairs for points in both]
        spread = noise(dict(enumerate(known(metric, points) for points in groups)))
        for key, before, after in pairs:
            left, right = known(metric, before), known(metric, after)
            if not left or not right:
                continue
            if spread[1]:
                one: Ratio | None = repeated(left, right, spread, level, DRIFT * moved)
            else:
                one = single(metric, raw, (before, after), level, ONCE * moved)
            if one:
                found.append(Difference(key, metric, float(np.median(left)), float(np.median(right)), one))
    return found


def drift(a: Run, b: Run) -> float:
    """How much faster the machine was in one of the runs, at least 1: so much is nobody's doing."""
    before, after = (run["environment"].get("host", {}).get("speed") for run in (a, b))
    return max(before / after, after / before) if before and after else 1.0


def repeated(
    left: Sequence[float], right: Sequence[float], spread: tuple[float, int], level: float, floor: float
) -> Ratio:
    deviation, freedom = spread
    middle = float(np.log(right).mean() - np.log(left).mean())
    half = half_width(deviation * sqrt(1 / len(left) + 1 / len(right)), freedom, level)
    return Ratio(Interval(exp(middle), exp(middle - half), exp(middle + half), "repetitions"), floor)


def single(metric: Metric, raw: Sequence[tuple[Run, Samples | None]], both: Sequence[Sequence[dict]], level: float,
           floor: float) -> Ratio | None:  # fmt: skip
    """One repetition each: blocks within the runs are all there is, and they do not know how much runs differ."""
    if metric.name not in ("p50", "p99") or any(each is None for _, each in raw):
        return None
    blocks = [hierarchical([latencies(each, points)], partial(quantile, metric.name), confidence=level)
              for (_, each), points in zip(raw, both, strict=True) if each is not None]  # fmt: skip
    return ratio_of(*blocks, floor=floor)


def stages(a: Run, b: Run) -> Iterator[tuple[str, list[dict], list[dict]]]:
    """(key, points of A, points of B); stages whose rates drifted apart are not the same question."""
    for key in dict.fromkeys(point["key"] for point in usable(a)):
        before, after = ([point for point in usable(run) if point["key"] == key] for run in (a, b))
        if after and alike(before, after):
            yield key, before, after


def usable(run: Run) -> list[dict]:
    return [point for point in run["points"] if not point.get("left_out")]


def alike(before: Sequence[dict], after: Sequence[dict]) -> bool:
    """At the same rate, and not beyond capacity in A: a queue that grows is as long as the stage was, no figure."""
    if any(point["offered"] and point["achieved"] < CARRIED * point["offered"] for point in before):
        return False
    rates = [float(np.median([point["offered"] or 0 for point in points])) for points in (before, after)]
    return abs(rates[0] - rates[1]) <= NEAR * max(rates)


def known(metric: Metric, points: Sequence[dict]) -> list[float]:
    return [value for point in points if (value := metric.value(point))]


def stored(runs: Runs, run: Run) -> Samples | None:
    path = runs.where(run["id"]) / "samples.npz"
    return samples.load(path) if path.exists() else None


def latencies(raw: Samples, points: Sequence[dict]) -> np.ndarray:
    """Of the stage's windows, in time order."""
    rows = [raw.between(*point["window"]) for point in points]
    return np.concatenate([each[each.answered].latency for each in rows])


def lines(found: Sequence[Difference]) -> Iterator[str]:
    for each in found:
        yield f"{each.stage:<28} {each.metric.name:<20} {each.ratio}"


def conclusion(a: Run, b: Run, found: Sequence[Difference]) -> str:
    worse = [each for each in found if each.word == "regression"]
    better = [each for each in found if each.word == "improvement"]
    if not found:
        return "The runs share no stage at the same rate, so nothing can be compared; repeat B with the same RATE=."
    if not worse and not better:
        return f"{b['id']} is not distinguishable from {a['id']} in {len(found)} figures."
    top = max(worse or better, key=lambda each: abs(np.log(each.ratio.interval.value)))
    said = f"{top.metric.name} of {top.stage} is {top.ratio.interval.value:.2f} times what it was"
    return f"{b['id']} is {'a regression' if worse else 'an improvement'}: {said} ({len(worse)} worse, {len(better)} better, {len(found)} figures)."


def page(runs: Runs, a: Run, b: Run, found: Sequence[Difference]) -> dict[str, Any]:
    worse = [each for each in found if each.word == "regression"]
    reasons = [f"{each.stage}: {each.metric.name} {each.ratio}" for each in worse]
    doubtful = [run["id"] for run in (a, b) if run["verdict"]["word"] != validity.VALID]
    words = [each.word for each in found]
    word = next((each for each in ("regression", "improvement") if each in words), "not distinguishable")
    rows = [[each.stage, each.metric.name, f"{each.before:.4g}", f"{each.after:.4g}", f"{each.ratio.interval.value:.3f}",
             f"{each.ratio.interval.low:.3f} … {each.ratio.interval.high:.3f}", f"{each.ratio.floor:.3f}", each.word] for each in found]  # fmt: skip
    columns = ["stage", "figure", "A", "B", "B / A", f"interval of all {len(found)} together", "noise floor", "verdict"]
    notes = [f"{name} is not a valid measurement itself; its report says why." for name in doubtful]
    if (moved := drift(a, b)) > MOVED:
        notes.insert(
            0,
            f"The machine itself did {moved:.2f} times as much in one run as in the other; differences up to that are not called.",
        )
    return {"a": a, "b": b, "conclusion": conclusion(a, b, found), "verdict": {"word": word, "reasons": reasons}, "notes": notes,
            "tables": [parts.table("Ratios", columns, rows)], "plots": list(ecdfs(runs, a, b)),
            "command": f"./ponte compare A={a['id']} B={b['id']}"}  # fmt: skip


def ecdfs(runs: Runs, a: Run, b: Run) -> Iterator[parts.Part]:
    """Distributions of latency laid over each other, of each service's middle stage."""
    raw = [(name, found) for name, run in (("A", a), ("B", b)) if (found := stored(runs, run)) is not None]
    shared = [each for each in stages(a, b) if each[1][0]["offered"]]
    for service in dict.fromkeys(each[1][0]["service"] for each in shared):
        mine = [each for each in shared if each[1][0]["service"] == service]
        key, before, after = mine[len(mine) // 2]
        points = {"A": before, "B": after}
        curves = [(name, *ecdf(latencies(found, points[name]) * 1000)) for name, found in raw]
        drawn = [parts.series(name, x, y, "step") for name, x, y in curves]
        yield parts.plot(f"Latency of {key}", "latency (ms)", "share of requests", drawn, "x")
