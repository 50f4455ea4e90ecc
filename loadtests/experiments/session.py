"""What every experiment shares: its run folder, the stack, progress with the time left, and an end that keeps things."""

import os
import shutil
import time
import tomllib
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from loadtests.errors import Stop
from loadtests.experiments import environment, placement, points, probe
from loadtests.experiments.generator import Interrupted, Load, generate
from loadtests.experiments.points import Point, Slo, Watched
from loadtests.experiments.progress import progress, say
from loadtests.experiments.words import SLO, Words
from loadtests.measure import edgelog, samples, validity
from loadtests.measure.hdr import hgrm
from loadtests.measure.meter import Meter
from loadtests.measure.samples import Samples
from loadtests.report.runs import REPORTS, Runs, Unwritable
from loadtests.stack import Stack


@dataclass
class Parts:
    """What an experiment says at its end; the rest of run.json is the session's."""

    conclusion: str
    tables: list[dict[str, Any]] = field(default_factory=list)
    plots: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


class Session:
    def __init__(self, experiment: str, title: str, words: Words, config: Mapping[str, Any], seconds: float):
        self.experiment, self.title, self.words, self.config = experiment, title, words, config
        self.seconds, self.done_seconds = seconds, 0.0
        self.stack: Stack | None = None if words.host else Stack()
        self.points: list[Point] = []
        self.kept: dict[str, Samples] = {}  # key of a generator run -> all its samples
        self.ranges: dict[str, tuple[int, int]] = {}  # and where its points are
        self.started, self.clock = datetime.now(UTC), time.monotonic()
        self.interrupted = False
        self.conclusion = ""
        self.trouble: Stop | None = None
        self.extra: dict[str, Any] = {}  # an experiment's own figures for its end

    def open(self, resources: ExitStack) -> None:
        """Everything that can be refused, before anything is begun."""
        self.replicas = self.stack.replicas() if self.stack else []
        self.url = self.words.host or self.stack_url()
        if self.words.service:
            self.url = self.url.rstrip("/")
        probe.answers(self.url, self.words.service)
        self.place = placement.choose(self.words.processes, bool(self.stack))
        try:
            self.folder = Runs(REPORTS).start(self.experiment, self.started)
        except Unwritable as error:
            raise Stop(str(error), 3) from None
        self.environment = environment.describe(self.place.sentence, self.url, self.replicas)
        resources.enter_context(placement.placed(self.place, self.stack))
        self.progress = resources.enter_context(progress(self.title, self.seconds))
        say(self.place.sentence)
        self.speeds = [environment.speed()]

    def stack_url(self) -> str:
        if not any(each["service"] == "nginx" for each in self.replicas):
            raise Stop("the edge is not up; ./ponte up starts it", 3)
        return "http://" + next(each["address"] for each in self.replicas if each["service"] == "nginx")

    @property
    def slo(self) -> Slo:
        return Slo(**tomllib.loads(SLO.read_text())["objective"])

    def run(self, load: Load, key: str, repetition: int = 1, stack: Stack | None = None) -> list[Point]:
        """One run of the generator; its points are kept. Raises Stop and Interrupted, both after keeping what there is."""
        stack = stack or self.stack
        self.progress.told(key)
        file, log = self.folder / f"{key.replace('/', '-')}.npz", self.folder / "edge.log"
        found, meter, until = samples.merged([]), Meter(stack.sources(load.service) if stack else {}), float("inf")
        try:
            with ExitStack() as recording:
                if stack:
                    recording.enter_context(stack.edge_log(log))
                recording.enter_context(meter)
                found = generate(load, file, meter, lambda gone: self.tick(gone, load))
        except Interrupted as error:
            found, until = error.kept, error.at
            raise
        finally:
            self.done_seconds += load.length
            warm_up, measured = self.config.get("warm_up", 0.0), meter if stack else None
            self.keep(
                key, Watched(load, found, repetition, warm_up, measured, edge_times(log), self.place.doubt, until)
            )
            clear(file, log)
        return self.points_of(key)

    def tick(self, gone: float, load: Load) -> None:
        self.progress.at(self.done_seconds + min(gone, load.length))

    def keep(self, key: str, watched: Watched) -> None:
        if not len(watched.found):
            return
        self.kept[key] = watched.found
        begin = len(self.points)
        self.points += watched.points()
        self.ranges[key] = (begin, len(self.points))

    def points_of(self, key: str) -> list[Point]:
        begin, end = self.ranges.get(key, (0, 0))
        return self.points[begin:end]

    def save(self, parts: Parts) -> Path:
        """Writes samples, histograms, run.json and the page; returns the page."""
        if self.kept:
            every = samples.merged([renamed(found, key) for key, found in self.kept.items()])
            every.save(self.folder / "samples.npz")
        for name, latency in self.distributions().items():
            (self.folder / f"latency-{name}.hgrm").write_text(hgrm(latency))
        self.conclusion = parts.conclusion
        self.speeds.append(environment.speed())
        self.environment["host"]["speed"] = round(sum(self.speeds) / len(self.speeds))
        Runs(REPORTS).save(self.folder, self.as_run(parts, self.judged()))
        return self.folder / "index.html"

    @property
    def left_out(self) -> list[Point]:
        """Invalid ones whose stage has a repetition that is not; a peak only says where the stages lie."""
        good = {point.key for point in self.points if point.validity.word != validity.INVALID}
        return [point for point in self.points if point.validity.word == validity.INVALID and point.key in good]

    @property
    def usable(self) -> list[Point]:
        """What figures are made of."""
        left_out = self.left_out
        return [point for point in self.points if point not in left_out]

    def judged(self) -> list[validity.Validity]:
        """What the verdict rests on: stages, or peaks where there is nothing else."""
        stages = [point for point in self.usable if point.offered] or self.usable
        return [point.validity for point in stages] + self.extra.get("validities", [])

    def distributions(self) -> dict[str, np.ndarray]:
        """Service -> latencies of its stage nearest to half of the highest rate, all repetitions."""
        found = {}
        for service in dict.fromkeys(point.service for point in self.points if point.offered):
            offered = [point for point in self.points if point.service == service and point.offered]
            stage = points.reference(offered).stage
            found[service.strip("/") or "host"] = np.concatenate(
                [each.done.latency for each in offered if each.stage == stage]
            )
        return found

    def as_run(self, parts: Parts, judged: Sequence[validity.Validity]) -> dict[str, Any]:
        return {
            "format": 1, "id": self.folder.name, "experiment": self.experiment, "title": self.title,
            "started": self.started.strftime("%Y-%m-%dT%H:%M:%SZ"), "seconds": time.monotonic() - self.clock,
            "quick": self.words.quick, "interrupted": self.interrupted,
            "command": " ".join(["./ponte", self.experiment, *self.words.given]),
            "config": dict(self.config), "environment": self.environment,
            "conclusion": parts.conclusion, "notes": parts.notes, "verdict": verdict(self, judged),
            "figures": self.extra.get("figures", {}), "tables": parts.tables, "plots": parts.plots, "points": [point.as_dict() | {"left_out": point in self.left_out} for point in self.points],
            "validity": validity.table(judged),
        }  # fmt: skip


def verdict(session: Session, judged: Sequence[validity.Validity]) -> dict[str, Any]:
    """The worst of what the figures rest on; a run with an end that was not its own is suspect at least."""
    words = [each.word for each in judged]
    reasons = [
        reason for word in validity.WORDS[::-1] for each in judged if each.word == word for reason in each.reasons
    ]
    if session.left_out:
        words.append(validity.SUSPECT)
        reasons.insert(0, f"{len(session.left_out)} of {len(session.points)} stages were invalid and are left out: "
                          f"{session.left_out[0].validity.reasons[0]}")  # fmt: skip
    if session.interrupted:
        words, reasons = [*words, validity.SUSPECT], ["it was interrupted", *reasons]
    if session.trouble:
        words, reasons = [validity.INVALID], [str(session.trouble), *reasons]
    if not judged:
        words, reasons = [validity.INVALID], [*reasons, "nothing was measured"]
    return {"word": validity.worst(words), "reasons": distinct(reasons)}


def distinct(reasons: Sequence[str]) -> list[str]:
    """One sentence for each cause, the worst figure of it first."""
    seen: dict[str, str] = {}
    for each in reasons:
        seen.setdefault(each.partition(":")[0], each)
    return list(seen.values())


def renamed(found: Samples, key: str) -> Samples:
    """Names carry the run of the generator they come from: `flask-1: /flask/json`."""
    return Samples(found.columns, found.ids, tuple(f"{key}: {name}" for name in found.names), found.replicas)


def edge_times(log: Path) -> dict[bytes, tuple[float, float]]:
    if not log.exists():
        return {}
    with log.open(errors="replace") as lines:
        return edgelog.parse(lines)


def clear(*paths: Path) -> None:
    """A generator's own files: what they said is in the run's samples by now."""
    for path in paths:
        path.unlink(missing_ok=True)


def conduct(session: Session, measure: Callable[[Session], None], conclude: Callable[[Session], Parts]) -> int:
    """Measures, then reports: all of it, or what there is after an interruption or a failure half-way."""
    with ExitStack() as resources:
        session.open(resources)
        try:
            measure(session)
        except (Interrupted, KeyboardInterrupt):
            session.interrupted = True
        except Stop as error:
            session.trouble = error
    if not session.points and not session.extra.get("validities"):
        shutil.rmtree(session.folder, ignore_errors=True)
        if session.trouble:
            raise session.trouble
        raise Stop("interrupted before anything was measured", 130)
    page = session.save(conclude(session))
    return told(session, page)


def told(session: Session, page: Path) -> int:
    found = verdict(session, session.judged())
    print(session.conclusion)
    print(f"measurement: {found['word']}{': ' + found['reasons'][0] if found['reasons'] else ''}")
    print(f"report: {os.path.relpath(page, Path.cwd())}")
    if session.trouble:
        raise session.trouble
    return 130 if session.interrupted else 0
