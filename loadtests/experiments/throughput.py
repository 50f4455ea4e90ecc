"""`make load`: how much does each application answer, at stepped rates, until it breaks the objective?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from loadtests.errors import Stop
from loadtests.experiments import session as sessions
from loadtests.experiments.generator import Load, Step
from loadtests.experiments.points import Capacity, Point, Slo, capacity, reference
from loadtests.experiments.progress import say
from loadtests.experiments.session import Parts, Session
from loadtests.experiments.words import Words, config
from loadtests.measure.intervals import Interval, half_width
from loadtests.measure.repetitions import noise
from loadtests.measure.validity import WORDS
from loadtests.report import parts
from loadtests.services import SERVICES

TITLE = "Throughput"
STEP = 0.01  # repetitions that agree by chance agree to no more than this
FEWEST = 5.0  # arrivals a second; below, stages are too short to hold a percentile
NOT_MEASURED = (
    "One machine: the network between users and the edge, TLS and many client addresses are not in these figures.",
    "Capacity is that of this machine with this placement; it says little about a bigger one.",
)


def main(words: Words) -> int:
    plan = config("load", words)
    services = chosen(words)
    session = Session("load", TITLE, words, {**plan, "services": services}, length(plan, words, services))
    announce(session)
    return sessions.conduct(session, measure, conclude)


def chosen(words: Words) -> list[str]:
    """All of ours; of a host of the user's own, what its address names."""
    return [words.service] if words.service or words.host else list(SERVICES)


def length(plan: Mapping[str, Any], words: Words, services: Sequence[str]) -> float:
    """Seconds, with the generator's own starts."""
    one = sum(step.seconds for step in steps(plan, words, 100.0)) + 3
    peak = 0 if words.rate else plan["peak_seconds"] + 3
    return len(services) * (peak + plan["repetitions"] * one)


def announce(session: Session) -> None:
    who = ", ".join(filter(None, session.config["services"])) or session.words.host
    say(f"{session.title}: {who}; about {session.seconds / 60:.1f} min")


def steps(plan: Mapping[str, Any], words: Words, peak: float) -> list[Step]:
    if words.rate:
        return [Step(f"{words.rate:g}/s", words.time or 10 * plan["seconds"], words.rate)]
    seconds = words.time or plan["seconds"] + plan["warm_up"]
    return [Step(f"{share:.0%}", seconds, max(FEWEST, share * peak)) for share in plan["shares"]]


def measure(session: Session) -> None:
    plan, words, services = session.config, session.words, session.config["services"]
    peaks = {} if words.rate else {service: peak(session, service) for service in services}
    session.extra["peaks"] = peaks
    for repetition in range(1, plan["repetitions"] + 1):
        order = services if repetition % 2 else services[::-1]  # ABBA: a drift of the machine meets all alike
        for service in order:
            load = Load(session.url, service or "/", mix(session), steps(plan, words, peaks.get(service, 0.0)),
                        processes=words.processes)  # fmt: skip
            session.run(load, f"{service or 'host'}-{repetition}", repetition)


def mix(session: Session) -> str:
    """A host of the user's own is asked for the address itself, or for MIX=."""
    known = session.words.service or session.words.mix or not session.words.host
    return session.config["mix"] if known else "-"


def peak(session: Session, service: str) -> float:
    users = session.words.users or session.config["peak_users"]
    load = Load(session.url, service or "/", mix(session), users=users, seconds=session.config["peak_seconds"],
                processes=session.words.processes)  # fmt: skip
    made = session.run(load, f"{service or 'host'}-peak", 0)
    if not made or not made[0].achieved:
        raise Stop(f"{service or session.url} gave no good answer in {load.seconds:g} s; ./ponte logs says why", 1)
    return made[0].achieved


def stages_of(session: Session, service: str) -> list[Point]:
    return [point for point in session.usable if point.service == (service or "/") and point.offered]


@dataclass(frozen=True)
class Carried:
    """The capacity of one service over its repetitions."""

    interval: Interval
    beyond: bool  # some repetition met every stage: it may be more
    least: float = 0.0  # the lowest rate that was offered, where most repetitions failed it

    @property
    def shown(self) -> str:
        if self.least:
            return f"less than {self.least:.0f}"
        return f"{'at least ' if self.beyond else ''}{self.interval.value:.0f}"

    @property
    def limits(self) -> str:
        low, high = self.interval.low, self.interval.high
        return f"{low:.0f} … {high:.0f}" if np.isfinite(low + high) else "one repetition"


def capacities(session: Session, measured: Sequence[str]) -> dict[str, Carried]:
    """Requests a second at the objective. How much repetitions differ is taken from all services together."""
    found = {service: repeated(stages_of(session, service), session.slo) for service in measured}
    lowest = {service: min(point.offered or 0 for point in stages_of(session, service)) for service in measured}
    # Who failed the lowest stage carries less than that; half of it stands for "less" among logarithms.
    rates = {service: [each.rate or lowest[service] / 2 for each in every] for service, every in found.items()}
    spread, freedom = noise(dict(enumerate(rates.values())))
    return {service: carried(every, around(rates[service], max(spread, STEP), freedom), lowest[service])
            for service, every in found.items()}  # fmt: skip


def carried(every: Sequence[Capacity], interval: Interval, lowest: float) -> Carried:
    failed = sum(not each.rate for each in every) > len(every) / 2
    return Carried(interval, any(each.beyond for each in every), lowest if failed else 0.0)


def repeated(points: Sequence[Point], slo: Slo) -> list[Capacity]:
    repetitions = sorted({point.repetition for point in points})
    return [capacity([point for point in points if point.repetition == each], slo) for each in repetitions]


def around(rates: Sequence[float], spread: float, freedom: int) -> Interval:
    """Student's t on logarithms."""
    middle = float(np.median(rates))
    if not freedom:
        return Interval(middle, 0.0, float("inf"), "one repetition")
    half = half_width(spread / len(rates) ** 0.5, freedom)
    return Interval(middle, middle * np.exp(-half), middle * np.exp(half), f"{len(rates)} repetitions")


def conclude(session: Session) -> Parts:
    measured = [service for service in session.config["services"] if stages_of(session, service)]
    if not measured:
        return Parts("Only the peak was measured.", [peak_table(session)], notes=list(NOT_MEASURED))
    said = Parts(
        sentence(session, measured), [stage_table(session, measured)], plots(session, measured), notes(session)
    )
    if not session.words.rate:
        said.tables.insert(0, capacity_table(session, measured))
    return said


def sentence(session: Session, measured: Sequence[str]) -> str:
    slo = session.slo
    if session.words.rate:
        met = [service for service in measured if all(point.meets(slo) for point in stages_of(session, service))]
        who = f"{', '.join(name or session.url for name in met)} kept" if met else "nobody kept"
        return f"At {session.words.rate:g} requests/s {who} p99 below {slo.p99 * 1000:g} ms and errors below {slo.errors:.1%}."
    found = capacities(session, measured)
    ranked = sorted(found, key=lambda service: -found[service].interval.value)
    said = ", ".join(f"{name or session.url} {found[name].shown}" for name in ranked)
    return f"With p99 below {slo.p99 * 1000:g} ms: {said} requests/s."


def capacity_table(session: Session, measured: Sequence[str]) -> parts.Part:
    rows, found = [], capacities(session, measured)
    for service in measured:
        points = stages_of(session, service)
        half = reference(points)
        cost, memory = half.cost(), half.usage.memory if half.usage else {}
        rows.append([service or session.url, found[service].shown, found[service].limits, f"{session.extra['peaks'].get(service, 0):.0f}",
                     *(milliseconds(cost.get(role)) for role in ("app", "edge", "database", "generator")),
                     mebibytes(memory.get("app")), even(half), worst(points)])  # fmt: skip
    columns = ["service", "capacity (requests/s)", "95 % interval", "peak (requests/s)", "app CPU (ms/request)", "edge CPU",
               "database CPU", "generator CPU", "app memory (MiB)", "balance", "measurement"]  # fmt: skip
    note = (f"Capacity: the highest rate with p99 below {session.slo.p99 * 1000:g} ms and errors below {session.slo.errors:.1%}. "
            f"Peak: answers to {session.words.users or session.config['peak_users']} users who never pause. Costs and balance "
            "(busiest replica over the mean) at the stage nearest to half of the peak.")  # fmt: skip
    return parts.table("Capacity", columns, rows, note)


def peak_table(session: Session) -> parts.Part:
    rows = [[point.service, f"{point.achieved:.0f}"] for point in session.points]
    return parts.table("Peak", ["service", "requests/s"], rows)


def stage_table(session: Session, measured: Sequence[str]) -> parts.Part:
    rows = []
    for service in measured:
        for stage in dict.fromkeys(point.stage for point in stages_of(session, service)):
            points = [point for point in stages_of(session, service) if point.stage == stage]
            rows.append([service or session.url, stage, *stage_row(points, session.slo), worst(points)])
    columns = ["service", "stage", "offered (/s)", "good answers (/s)", "p50 (ms)", "p95 (ms)", "p99 (ms)", "errors", "objective",
               "measurement"]  # fmt: skip
    return parts.table("Stages", columns, rows, "Latency from when a request was due. Median of the repetitions.")


def stage_row(points: Sequence[Point], slo: Slo) -> list[str]:
    def middle(name: str) -> str:
        values = [point.latency[name] for point in points if point.latency]
        return milliseconds(float(np.median(values))) if values else "-"

    errors, requests = sum(point.errors for point in points), sum(len(point.samples) for point in points)
    return [f"{np.median([point.offered or 0 for point in points]):.0f}", f"{np.median([point.achieved for point in points]):.0f}",
            *(middle(name) for name in ("p50", "p95", "p99")), f"{errors} of {requests}",
            "met" if all(point.meets(slo) for point in points) else "missed"]  # fmt: skip


def plots(session: Session, measured: Sequence[str]) -> list[parts.Part]:
    slo = session.slo.p99 * 1000
    stick = [series(session, service, lambda point: point.latency.get("p99")) for service in measured]
    costs = [series(session, service, lambda point: point.cost().get("app")) for service in measured]
    goal, note = parts.mark("y", slo, f"objective {slo:g} ms"), "The bend is where queues begin to grow."
    found = [
        parts.plot("Latency against offered rate", "offered rate (requests/s)", "p99 (ms)", stick, "y", note, [goal])
    ]
    if session.stack:
        found.append(parts.plot("CPU of the application", "offered rate (requests/s)", "CPU (ms/request)", costs))
    return found


def series(session: Session, service: str, value) -> parts.Part:
    """Median over repetitions, with their range, in milliseconds."""
    rows = []
    points = stages_of(session, service)
    for stage in dict.fromkeys(point.stage for point in points):
        values = [value(point) * 1000 for point in points if point.stage == stage and value(point) is not None]
        if values:
            rate = float(np.median([point.offered or 0 for point in points if point.stage == stage]))
            rows.append((rate, float(np.median(values)), min(values), max(values)))
    rates, middle, low, high = ([row[index] for row in sorted(rows)] for index in range(4))
    return parts.series(service or "host", rates, middle, low=low, high=high)


def notes(session: Session) -> list[str]:
    quick = (
        ["Quick: a fifth of the time; figures scatter more than those of a default run."] if session.words.quick else []
    )
    return [*quick, *NOT_MEASURED]


def worst(points: Sequence[Point]) -> str:
    return max((point.validity.word for point in points), key=WORDS.index, default="-")


def even(point: Point) -> str:
    found = point.balance()
    return f"{found:.2f}" if found else "-"


def milliseconds(seconds: float | None) -> str:
    if seconds is None or not np.isfinite(seconds):
        return "-"
    return f"{seconds * 1000:.0f}" if seconds >= 0.1 else f"{seconds * 1000:.3g}"


def mebibytes(count: int | None) -> str:
    return "-" if count is None else f"{count / 2**20:.0f}"
