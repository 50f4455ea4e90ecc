"""May this measurement be believed? Figures about the generator and the machine, each with its limits, and a verdict.

A verdict is about the measurement, not about the stack: a stack that is slow or fails is measured validly, a
generator that starves, sends late or drops arrivals measures itself.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from loadtests.measure.edgelog import EdgeTimes
from loadtests.measure.meter import Usage
from loadtests.measure.samples import LATE_SECONDS, Samples

VALID, SUSPECT, INVALID = "valid", "suspect", "invalid"
WORDS = (VALID, SUSPECT, INVALID)  # worse and worse
FEWEST_REQUESTS = 100  # below, a 99th percentile is the slowest request
SHORTEST_SECONDS = 3.0
SMALL_SECONDS = 0.005
STEADY = 0.25  # of the requests under way: a queue that grew by more is not in equilibrium


@dataclass(frozen=True)
class Limit:
    """Above `suspect` and `invalid` a figure makes the measurement so; the sentence says what it means then."""

    name: str
    unit: str  # "%" for shares, "ms" for seconds, "" for counts
    suspect: float
    invalid: float
    meaning: str

    def word(self, value: float) -> str:
        return INVALID if value > self.invalid else SUSPECT if value > self.suspect else VALID

    def shown(self, value: float) -> str:
        scale = {"%": 100.0, "ms": 1000.0}.get(self.unit, 1.0)
        return f"{value * scale:.3g} {self.unit}".strip()

    def sentence(self, value: float) -> str:
        return f"{self.meaning}: {self.name} {self.shown(value)} (limit {self.shown(self.suspect)})"


# Chosen between healthy and poisoned runs on two cores: run-queue wait 3-8 % against 40-60 %, send lag p99 below 3 ms
# against hundreds; facts of both kinds are in docs/load-testing.md. Others are customary: CPU of one core, steal.
LIMITS = (
    Limit("generator run-queue wait", "%", 0.10, 0.25, "the generator had to wait for a CPU"),
    Limit("generator CPU of its core", "%", 0.70, 0.90, "the generator is near the end of its core"),
    Limit("send lag p99", "ms", 0.010, 0.100, "requests were sent later than they were due"),
    Limit("dropped arrivals", "%", 0.0, 0.01, "arrivals found too many requests under way and were not sent"),
    Limit("offered beside the target", "%", 0.05, 0.15, "the generator did not offer the rate it was asked for"),
    Limit("Little's law residual", "%", 0.05, 0.20, "requests under way do not fit rate times latency"),
    Limit("client p50 beyond the edge's", "%", 0.25, 0.50, "the client's clock says much more than the edge's"),
    Limit("client p99 beyond the edge's", "%", 0.25, 0.50, "the slowest requests were slow outside the stack"),
    Limit("steal", "%", 0.05, 0.20, "the hypervisor gave the CPU to others"),
    Limit("generator throttled", "%", 0.01, 0.05, "the generator was held back by a CPU quota"),
)  # fmt: skip
BY_NAME = {each.name: each for each in LIMITS}


@dataclass(frozen=True)
class Validity:
    word: str
    reasons: tuple[str, ...]
    figures: Mapping[str, float]

    def as_dict(self) -> dict:
        return {"verdict": self.word, "reasons": list(self.reasons), "figures": dict(self.figures)}


def judge(figures: Mapping[str, float], notes: Sequence[str] = ()) -> Validity:
    """Worst word of all figures; `notes` are reasons for suspicion that are no figures."""
    found = [
        (BY_NAME[name].word(value), BY_NAME[name].sentence(value)) for name, value in figures.items() if name in BY_NAME
    ]
    found += [(SUSPECT, note) for note in notes]
    word = worst(word for word, _ in found)
    reasons = sorted((each for each in found if each[0] != VALID), key=lambda each: -WORDS.index(each[0]))
    return Validity(word, tuple(sentence for _, sentence in reasons), figures)


def worst(words: Iterable[str]) -> str:
    return max(words, key=WORDS.index, default=VALID)


def figures(samples: Samples, seconds: float, target: float | None, usage: Usage | None, edge: EdgeTimes | None,
            processes: int = 1) -> dict[str, float]:  # fmt: skip
    """Of one window of arrivals; `target` is the rate that was asked for, None in a closed model."""
    arrivals = samples[samples.first == 1] if target else samples
    found = {} if target is None else open_model(arrivals, seconds, target, processes)
    if usage:
        found |= {
            "generator run-queue wait": usage.waited / usage.seconds,
            "steal": usage.steal,
            "generator throttled": usage.throttled.get("generator", 0.0) / usage.seconds,
        }
        # A closed model asks as fast as it can, so a busy generator is its nature; the report of the peak says so.
        busy = usage.cpu.get("generator", 0.0) / usage.seconds / processes
        found |= {"generator CPU of its core": busy} if target else {}
    if edge is not None and len(edge.gap):
        for name, share in (("client p50 beyond the edge's", 50), ("client p99 beyond the edge's", 99)):
            found[name] = beyond(float(np.percentile(edge.client, share)), float(np.percentile(edge.edge, share)))
    return found


def beyond(client: float, edge: float) -> float:
    """The share of a client's time that the edge knows nothing of. Below 5 ms it is the edge's own wait for a CPU."""
    return max(0.0, client - edge - SMALL_SECONDS) / client


def open_model(arrivals: Samples, seconds: float, target: float, processes: int) -> dict[str, float]:
    sent = arrivals[arrivals.was_sent]
    expected = target * seconds
    # Poisson arrivals differ from their rate by themselves: three standard deviations are no fault of the generator.
    beside = max(0.0, abs(len(arrivals) - expected) - 3 * expected**0.5) / expected
    if not len(sent):
        return {"offered beside the target": beside, "dropped arrivals": float(len(arrivals) > 0)}
    return {
        "send lag p99": float(np.percentile(sent.send_lag, 99)),
        "late arrivals": float(np.mean(sent.send_lag > LATE_SECONDS)),
        "dropped arrivals": 1 - len(sent) / len(arrivals),
        "offered beside the target": beside,
        **little(sent, seconds, processes),
    }


def little(sent: Samples, seconds: float, processes: int) -> dict[str, float]:
    """|L - lambda W| / L. L is what arrivals saw under way, which for Poisson arrivals is the mean over time (PASTA);
    each process sees its own.

    Of a stage beyond capacity nothing: its queue grows, and the law is about queues that do not.
    """
    done = sent[sent.answered]
    if len(done) < FEWEST_REQUESTS or not steady(sent.in_flight):
        return {}
    seen, product = processes * float(np.mean(sent.in_flight)), len(sent) / seconds * float(np.mean(done.latency))
    noise = 3 * processes * float(np.std(sent.in_flight)) / len(sent) ** 0.5 * correlation(sent.in_flight)
    return {"Little's law residual": max(0.0, abs(seen - product) - noise) / max(seen, product, 1.0)}


def steady(in_flight: np.ndarray) -> bool:
    quarter = len(in_flight) // 4
    first, last = float(np.mean(in_flight[:quarter])), float(np.mean(in_flight[-quarter:]))
    return abs(last - first) <= STEADY * max(first, last, 4.0)


def correlation(series: np.ndarray) -> float:
    """How much wider a mean of neighbours that resemble each other scatters: square root of the batch-means ratio."""
    batch = max(1, len(series) // 20)
    means = series[: batch * (len(series) // batch)].reshape(-1, batch).mean(axis=1)
    spread = float(np.var(series)) / batch
    return max(1.0, (float(np.var(means)) / spread) ** 0.5) if spread else 1.0


def notes(requests: int, seconds: float, placement: str) -> list[str]:
    """What makes any window suspect, whatever its figures say."""
    found = []
    if requests < FEWEST_REQUESTS:
        found.append(f"too few requests for a 99th percentile: {requests}")
    if seconds < SHORTEST_SECONDS:
        found.append(f"a stage was measured shortly: {seconds:.1f} s")
    return [*found, *([placement] if placement else [])]


def table(validities: Sequence[Validity]) -> list[dict[str, str]]:
    """The report's validity block: each figure's worst value over all points."""
    rows = []
    for limit in LIMITS:
        values = [each.figures[limit.name] for each in validities if limit.name in each.figures]
        if values:
            top = max(values)
            text = f"suspect above {limit.shown(limit.suspect)}, invalid above {limit.shown(limit.invalid)}"
            rows.append({"figure": limit.name, "worst": limit.shown(top), "limit": text, "verdict": limit.word(top)})
    return rows
