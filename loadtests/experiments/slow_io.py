"""`make slow-io`: WSGI or ASGI, when each request waits for something slow? Capacity against the backend's delay.

The work is the same everywhere: wait so many milliseconds, answer. A thread that waits is a slot that is taken, so
threads carry slots / (delay + service time) requests a second; an event loop carries what its CPU allows; and a
blocking call in `async def` turns an event loop into one slot.
"""

import re
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from loadtests.errors import Stop
from loadtests.experiments import session as sessions
from loadtests.experiments.crossing import crossover, draws
from loadtests.experiments.generator import Load, Step
from loadtests.experiments.points import Point, Slo, reference
from loadtests.experiments.progress import say
from loadtests.experiments.session import Parts, Session
from loadtests.experiments.throughput import milliseconds, repeated, worst
from loadtests.experiments.words import Words, config
from loadtests.measure import validity
from loadtests.measure.processes import text
from loadtests.report import parts
from loadtests.stack import Stack, first_process, laboratory

LEAST = 0.1  # what a logarithmic axis shows of nothing
TITLE = "Slow I/O"
THREADPOOL = 40  # anyio's default, where `def` endpoints and `how=thread` run
LAB_SECONDS = 15
QUEUE = 3  # users for each slot in the peak: enough to fill it, few enough that no backlog outlives it
FREE_USERS = 0.8  # and for event loops, users for each millisecond of delay beyond the first


@dataclass(frozen=True)
class Variant:
    """A framework, its server and the way it waits. `slots` of one worker: how many requests it serves at once."""

    service: str
    path: str
    slots: int  # 0: as many as come; -1: the server's threads
    server: str = ""  # another than the service's default needs a stack of its own

    def at(self, delay: int) -> str:
        return self.path.format(delay=delay)


VARIANTS = {
    "flask gthread": Variant("flask", "/wait?ms={delay}", -1),
    "flask sync": Variant("flask", "/wait?ms={delay}", 1, "gunicorn-sync"),
    "django": Variant("django", "/wait?ms={delay}", -1),
    "django-asgi": Variant("django-asgi", "/wait?ms={delay}", 0),
    "fastapi async def": Variant("fastapi", "/wait?ms={delay}&how=await", 0),
    "fastapi def": Variant("fastapi", "/wait?ms={delay}&how=thread", THREADPOOL),
    "fastapi blocking": Variant("fastapi", "/wait?ms={delay}&how=block", 1),
}
PAIRS: tuple[tuple[str, str], ...] = (
    ("flask gthread", "fastapi async def"),
    ("django", "django-asgi"),
    ("flask gthread", "django-asgi"),
)


def main(words: Words) -> int:
    plan = config("slow-io", words)
    names = [name for name in plan["variants"] if words.service in ("", VARIANTS[name].service)]
    if not names:
        raise Stop(f"SERVICE={words.service!r} has no variant here; FULL=1 has more", 2)
    session = Session("slow-io", TITLE, words, {**plan, "variants": names}, length(plan, names))
    say(
        f"{TITLE}: {', '.join(names)} at {', '.join(map(str, plan['delays']))} ms; about {session.seconds / 60:.0f} min"
    )
    return sessions.conduct(session, measure, conclude)


def length(plan: Mapping[str, Any], names: Sequence[str]) -> float:
    one = plan["peak_seconds"] + 3 + len(plan["shares"]) * (plan["seconds"] + plan["warm_up"]) + 3
    labs = sum(bool(VARIANTS[name].server) for name in names) * LAB_SECONDS
    return plan["repetitions"] * (len(plan["delays"]) * len(names) * one + labs)


def measure(session: Session) -> None:
    session.extra["slots"] = {}
    for repetition in range(1, session.config["repetitions"] + 1):
        for name in session.config["variants"][:: 1 if repetition % 2 else -1]:
            with ExitStack() as borrowed:
                stack = serving(session, VARIANTS[name], borrowed)
                session.extra["slots"][name] = slots(stack, VARIANTS[name])
                for delay in session.config["delays"]:
                    measure_one(session, stack, name, delay, repetition)


def serving(session: Session, variant: Variant, borrowed: ExitStack) -> Stack:
    """The running stack, or for another server one of its own."""
    if not session.stack or not variant.server:
        return session.stack or Stack()
    lab = borrowed.enter_context(laboratory(session.environment["stack"]["engine"], {}))
    lab.restart(**{f"{variant.service.upper()}_SERVER": variant.server})
    borrowed.enter_context(lab.pinned(set(session.place.stack)))
    return lab


def slots(stack: Stack, variant: Variant) -> int:
    """Requests that all replicas together serve at once; 0 where nothing but the CPU limits them."""
    replicas = [each for each in stack.replicas() if each["service"] == variant.service]
    return sum(
        (each["workers"] or 1) * (threads(each["id"]) if variant.slots < 0 else variant.slots) for each in replicas
    )


def threads(number: str) -> int:
    """What the server was started with."""
    found = re.search(r"--threads[= \0](\d+)", text(Path("/proc", str(first_process(number)), "cmdline")))
    return int(found[1]) if found else 1


def measure_one(session: Session, stack: Stack, name: str, delay: int, repetition: int) -> None:
    variant, plan = VARIANTS[name], session.config
    url = session.words.host or stack.url
    key, taken = f"{name} {delay} ms", session.extra["slots"][name]
    users = plan["peak_users"] + int(FREE_USERS * delay)
    users = min(users, QUEUE * taken) if taken else users
    asked = Load(url, variant.service, variant.at(delay), users=users, seconds=plan["peak_seconds"] + delay / 1000)
    peak = session.run(asked, f"{key}-{repetition}-peak", repetition, stack)[0].achieved
    if not peak:
        raise Stop(f"{name} gave no good answer at {delay} ms", 1)
    steps = [Step(f"{key} {share:.0%}", long_enough(plan, share * peak), share * peak) for share in plan["shares"]]
    session.run(Load(url, variant.service, variant.at(delay), steps), f"{key}-{repetition}", repetition, stack)


def long_enough(plan: Mapping[str, Any], rate: float) -> float:
    """Up to twice as long where few requests come."""
    seconds = plan["seconds"]
    return plan["warm_up"] + min(max(seconds, validity.FEWEST_REQUESTS * 1.2 / rate), 2 * seconds)


def objective(slo: Slo, delay: int) -> Slo:
    """The delay itself is nobody's fault: the objective is for what comes on top."""
    return Slo(slo.p99 + delay / 1000, slo.errors)


@dataclass(frozen=True)
class Measured:
    name: str
    delay: int
    points: tuple[Point, ...]
    capacity: float
    beyond: bool  # every stage met the objective: it may be more
    drawn: np.ndarray  # plausible capacities, by resampling blocks of requests
    predicted: float | None


def measured(session: Session, name: str) -> list[Measured]:
    found: list[Measured] = []
    for delay in session.config["delays"]:
        points = [point for point in session.usable if point.stage.startswith(f"{name} {delay} ms ")]
        if points:
            slo = objective(session.slo, delay)
            every = repeated(points, slo)
            rate, beyond = float(np.median([each.rate for each in every])), any(each.beyond for each in every)
            found.append(
                Measured(
                    name, delay, tuple(points), rate, beyond, draws(points, slo), predicted(session, name, delay, found)
                )
            )
    return found


def predicted(session: Session, name: str, delay: int, so_far: Sequence[Measured]) -> float | None:
    """slots / (delay + service time), and never more than the CPU allowed without a delay."""
    if not so_far or not so_far[0].capacity:
        return None
    free, taken = so_far[0].capacity, session.extra["slots"].get(name, 0)
    quiet = min(so_far[0].points, key=lambda point: point.offered or 0).latency.get("p50", 0.0)
    return min(free, taken / (delay / 1000 + quiet)) if taken else free


def conclude(session: Session) -> Parts:
    rows = {name: found for name in session.config["variants"] if (found := measured(session, name))}
    every = [row for found in rows.values() for row in found]
    if not every:
        return Parts("Nothing but a peak was measured.")
    crossings = [said for pair in PAIRS if (said := crossing(rows, *pair))]
    conclusion = " ".join([*crossings, blocking(rows)]).strip() or f"Capacity against delay of {', '.join(rows)}."
    return Parts(conclusion, [table(session, every)], [chart(rows), starving(rows)], notes(session))


def crossing(rows: Mapping[str, Sequence[Measured]], threads: str, loop: str) -> str:
    """From which delay on the event loop carries more."""
    if threads not in rows or loop not in rows:
        return ""
    return crossover([row.delay for row in rows[threads]], threads, [row.drawn for row in rows[threads]], loop,
                     [row.drawn for row in rows[loop]])  # fmt: skip


def blocking(rows: Mapping[str, Sequence[Measured]]) -> str:
    """The mistake, at the longest delay at which it carries anything."""
    good = {row.delay: row for row in rows.get("fastapi async def", ())}
    bad = [row for row in rows.get("fastapi blocking", ()) if row.delay in good and row.capacity >= 1]
    if not bad or not bad[-1].delay:
        return ""
    last = bad[-1]
    return (f"A blocking call in async def costs: at {last.delay} ms it carries {last.capacity:.0f} requests/s "
            f"where awaiting carries {good[last.delay].capacity:.0f}.")  # fmt: skip


def table(session: Session, every: Sequence[Measured]) -> parts.Part:
    rows = []
    for row in every:
        low, high = np.percentile(row.drawn, [2.5, 97.5])
        half = reference(row.points)
        rows.append([row.name, str(row.delay), str(session.extra["slots"].get(row.name) or "-"), f"{'at least ' if row.beyond else ''}{row.capacity:.0f}",
                     "-" if row.beyond else f"{low:.0f} … {high:.0f}", "-" if row.predicted is None else f"{row.predicted:.0f}", milliseconds(half.cost().get("app")),
                     milliseconds(half.latency.get("p50")), milliseconds(half.latency.get("p99")), worst(row.points)])  # fmt: skip
    columns = ["variant", "delay (ms)", "slots", "capacity (requests/s)", "95 % interval", "predicted", "app CPU (ms/request)", "p50 (ms)",
               "p99 (ms)", "measurement"]  # fmt: skip
    note = (f"Capacity: the highest rate with p99 below the delay and {session.slo.p99 * 1000:g} ms more. Predicted: slots / (delay + "
            "service time), at most the capacity without a delay. Intervals from blocks of requests within the run.")  # fmt: skip
    return parts.table("Capacity against delay", columns, rows, note)


def chart(rows: Mapping[str, Sequence[Measured]]) -> parts.Part:
    drawn = []
    for name, found in rows.items():
        limits = [np.percentile(row.drawn, [2.5, 97.5]) for row in found]
        low, high = [max(float(each), LEAST) for each, _ in limits], [max(float(each), LEAST) for _, each in limits]
        capacities = [max(row.capacity, LEAST) for row in found]
        drawn.append(parts.series(name, [shown(row.delay) for row in found], capacities, low=low, high=high))
    note = "Threads fall with slots / delay; event loops stay until their CPU ends. 0 ms is drawn at 1 ms."
    return parts.plot("Capacity against the backend's delay", "delay (ms)", "capacity (requests/s)", drawn, "xy", note)


def starving(rows: Mapping[str, Sequence[Measured]]) -> parts.Part:
    """What waiting is added at most of the capacity: the queue before a slot."""
    drawn = []
    for name, found in rows.items():
        added = [reference(row.points).latency.get("p99", 0) * 1000 - row.delay for row in found]
        drawn.append(parts.series(name, [shown(row.delay) for row in found], [max(each, LEAST) for each in added]))
    return parts.plot(
        "Latency beyond the delay, at half of the peak", "delay (ms)", "p99 minus delay (ms)", drawn, "xy"
    )


def shown(delay: int) -> float:
    return float(max(delay, 1))


def notes(session: Session) -> list[str]:
    found = ["The backend is a wait of the application itself: its network, its pool and its own limits are not in these figures.",
             "Each variant has its default number of workers and threads, so memory differs; see make scaling for what more would give."]  # fmt: skip
    if session.words.quick:
        found.append("Quick: fewer variants, delays and seconds than a default run.")
    return found
