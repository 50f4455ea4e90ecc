"""`make scaling`: how many workers, in how many replicas? Capacity at the objective for each arrangement.

Asked of a stack of its own beside the running one, which stays as it is: same engine, same edge, other workers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np

from loadtests import quota
from loadtests.errors import Stop
from loadtests.experiments import session as sessions
from loadtests.experiments import throughput
from loadtests.experiments.generator import Load, Step
from loadtests.experiments.points import Point, capacity, reference
from loadtests.experiments.progress import say
from loadtests.experiments.session import Parts, Session
from loadtests.experiments.throughput import Carried, milliseconds, worst
from loadtests.experiments.words import Words, config
from loadtests.measure.models import Point as Scaled
from loadtests.measure.models import Recommendation, recommendation
from loadtests.measure.statistics import Interval, bootstrap
from loadtests.report import parts
from loadtests.services import SERVICES
from loadtests.stack import Stack, laboratory

TITLE = "Worker scaling"
CHANGE_SECONDS = {"native": 12, "compose": 30}  # what `up` and `down` of another number of workers take
SCALE_SECONDS = 4


@dataclass(frozen=True, order=True)
class Arrangement:
    workers: int
    replicas: int

    @property
    def total(self) -> int:
        return self.workers * self.replicas

    def __str__(self) -> str:
        return f"{self.workers}x{self.replicas}"


def arrangement(text: str) -> Arrangement:
    workers, _, replicas = text.partition("x")
    return Arrangement(int(workers), int(replicas))


def main(words: Words) -> int:
    if words.host:
        raise Stop("HOST= names a stack whose workers cannot be changed from here; leave it out", 2)
    plan, service = config("scaling", words), words.service or SERVICES[0]
    arrangements = sorted(map(arrangement, [*plan["configurations"], *plan["extra"]]))
    mixes = plan.get("mixes", [plan["mix"]])
    settings = {**plan, "service": service, "arrangements": list(map(str, arrangements)), "mixes": mixes,
                "cpu_quota": words.quota}  # fmt: skip
    session = Session("scaling", TITLE, words, settings, length(plan, arrangements, mixes))
    say(f"{TITLE} of {service}: {len(arrangements)} arrangements of workers x replicas, {plan['repetitions']} "
                 f"repetitions, {', '.join(mixes)}; about {session.seconds / 60:.0f} min")  # fmt: skip
    return sessions.conduct(session, measure, conclude)


def length(plan: Mapping[str, Any], arrangements: Sequence[Arrangement], mixes: Sequence[str]) -> float:
    one = plan["peak_seconds"] + 3 + len(plan["shares"]) * (plan["seconds"] + plan["warm_up"]) + 3
    changes = len({each.workers for each in arrangements}) * CHANGE_SECONDS["native"]
    return plan["repetitions"] * (changes + len(arrangements) * (SCALE_SECONDS + one * len(mixes)))


def measure(session: Session) -> None:
    engine, service = session.environment["stack"]["engine"], session.config["service"]
    arrangements = sorted(map(arrangement, session.config["arrangements"]))
    with laboratory(engine, alone()) as lab:
        for repetition in range(1, session.config["repetitions"] + 1):
            order = arrangements if repetition % 2 else arrangements[::-1]
            for workers, group in groupby(order, key=lambda each: each.workers):
                lab.restart(WEB_CONCURRENCY=str(workers))
                for each in group:
                    session.progress.told(f"{each} (repetition {repetition})")
                    lab.ponte("scale", f"SERVICE={service}", f"REPLICAS={each.replicas}")
                    measure_one(session, lab, each, repetition)


def alone() -> dict[str, str]:
    """One replica of each other service, so that they need little."""
    return {f"{each.upper().replace('-', '_')}_REPLICAS": "1" for each in SERVICES}


def measure_one(session: Session, stack: Stack, each: Arrangement, repetition: int) -> None:
    service, plan = session.config["service"], session.config
    replicas = [row for row in stack.replicas() if row["service"] == service]
    with stack.pinned(set(session.place.stack)), quota.held(replicas, session.words.quota):
        for mix in plan["mixes"]:
            key = f"{mix} {each}-{repetition}"
            closed = Load(
                stack.url, service, mix, users=session.words.users or plan["peak_users"], seconds=plan["peak_seconds"]
            )
            peak = session.run(closed, f"{key}-peak", repetition, stack)[0].achieved
            if not peak:
                raise Stop(f"{service} gave no good answer with {each.workers} workers in {each.replicas} replicas", 1)
            steps = [
                Step(f"{mix} {each} {share:.0%}", plan["seconds"] + plan["warm_up"], share * peak)
                for share in plan["shares"]
            ]
            session.run(Load(stack.url, service, mix, steps), key, repetition, stack)


@dataclass(frozen=True)
class Measured:
    """One arrangement over its repetitions."""

    arrangement: Arrangement
    capacities: tuple[float, ...]
    points: tuple[Point, ...]

    @property
    def positive(self) -> tuple[float, ...]:
        """Where the lowest stage failed, half of its rate stands for "less" among logarithms."""
        least = min(point.offered or 0 for point in self.points if point.offered) / 2
        return tuple(each or least for each in self.capacities)

    @property
    def interval(self) -> Interval:
        return bootstrap(self.positive, resolution=0.05)

    @property
    def memory_per_worker(self) -> float:
        held = [point.usage.memory.get("app", 0) for point in self.points if point.usage]
        return float(np.median(held)) / self.arrangement.total if held else 0.0

    @property
    def scaled(self) -> Scaled:
        each = self.arrangement
        return Scaled(each.workers, self.positive, each.replicas, self.memory_per_worker)


def measured(session: Session, mix: str) -> list[Measured]:
    found = []
    for each in map(arrangement, session.config["arrangements"]):
        points = [point for point in session.usable if point.stage.startswith(f"{mix} {each} ")]
        repetitions = sorted({point.repetition for point in points})
        rates = [capacity([p for p in points if p.repetition == number], session.slo).rate for number in repetitions]
        if any(rates):
            found.append(Measured(each, tuple(rates), tuple(points)))
    return sorted(found, key=lambda one: (one.arrangement.total, one.arrangement.replicas))


def conclude(session: Session) -> Parts:
    said = Parts("", notes=notes(session))
    for mix in session.config["mixes"]:
        rows = measured(session, mix)
        if not rows:
            continue
        advice = recommendation([row.scaled for row in rows], cores=len(session.place.stack) if session.place else 1)
        said.conclusion += f"{' ' if said.conclusion else ''}{session.config['service']}, {mix}: {advice.sentence}."
        said.tables.append(table(mix, rows))
        said.plots += [speed_up(mix, rows, advice), cost(mix, rows)]
        said.notes[0:0] = [f"{mix}: {note}." for note in advice.notes]
    said.conclusion = said.conclusion or "No arrangement was measured."
    return said


def table(mix: str, rows: Sequence[Measured]) -> parts.Part:
    first = rows[0]
    cells = []
    for row in rows:
        each, rate = row.arrangement, row.interval
        speed = rate.value / first.interval.value
        half = reference(row.points)
        cost = half.cost()
        cells.append([str(each.workers), str(each.replicas), str(each.total), f"{rate.value:.0f}", Carried(rate, False).limits, f"{speed:.2f}",
                      f"{speed / (each.total / first.arrangement.total):.0%}", milliseconds(cost.get("app")), f"{row.memory_per_worker / 2**20:.0f}",
                      milliseconds(half.latency.get("p50")), milliseconds(half.latency.get("p99")), throughput.even(half), worst(row.points)])  # fmt: skip
    columns = ["workers", "replicas", "in all", "capacity (requests/s)", "95 % interval", "speed-up", "efficiency", "app CPU (ms/request)",
               "memory (MiB/worker)", "p50 (ms)", "p99 (ms)", "balance", "measurement"]  # fmt: skip
    note = "Capacity: the highest rate that met the objective. CPU, latency and balance at about half of the peak."
    return parts.table(f"Arrangements, {mix}", columns, cells, note)


def speed_up(mix: str, rows: Sequence[Measured], advice: Recommendation) -> parts.Part:
    base = rows[0].interval.value / rows[0].arrangement.total
    totals = sorted({row.arrangement.total for row in rows})
    drawn = [arranged(replicas, rows) for replicas in sorted({row.arrangement.replicas for row in rows})]
    drawn.append(parts.series("linear", totals, [base * each for each in totals], "dashed"))
    if advice.choice:
        fine = np.linspace(totals[0], totals[-1], 40).tolist()
        curve = [advice.choice.best.predict(each).value for each in fine]
        drawn.append(parts.series(advice.choice.best.model.name, fine, curve, "dashed"))
    note = "Bars are 95 % intervals over repetitions."
    return parts.plot(f"Capacity against workers, {mix}", "workers in all", "capacity (requests/s)", drawn, note=note)


def arranged(replicas: int, rows: Sequence[Measured]) -> parts.Part:
    group = [row for row in rows if row.arrangement.replicas == replicas]
    label, style = f"{replicas} replica{'s' * (replicas > 1)}", "points" if len(group) == 1 else "line"
    return parts.series(label, [row.arrangement.total for row in group], [row.interval.value for row in group], style,
                        [finite(row.interval.low, row) for row in group], [finite(row.interval.high, row) for row in group])  # fmt: skip


def finite(limit: float, row: Measured) -> float:
    return limit if np.isfinite(limit) else row.interval.value


def cost(mix: str, rows: Sequence[Measured]) -> parts.Part:
    made = [(row.arrangement.total, reference(row.points).cost().get("app")) for row in rows]
    known = [(total, seconds * 1000) for total, seconds in made if seconds]
    drawn = parts.series("app", [x for x, _ in known], [y for _, y in known], "points")
    return parts.plot(f"CPU of the application, {mix}", "workers in all", "CPU (ms/request)", [drawn])


def notes(session: Session) -> list[str]:
    found = [f"The stack had {len(session.place.stack)} of this machine's CPUs; on more, more workers pay."]
    if session.words.quota:
        found.append(f"Each worker was held to {session.words.quota:g} CPUs, so that scaling is visible on few cores.")
    if session.words.quick:
        found.append("Quick: a fifth of the time and one repetition, so there are no intervals to decide by.")
    return found
