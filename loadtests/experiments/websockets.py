"""`make websockets`: how many connections are held, how fast is an echo, does every message reach everybody?"""

import asyncio
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from loadtests.errors import Stop
from loadtests.experiments import session as sessions
from loadtests.experiments.progress import say
from loadtests.experiments.session import Parts, Session
from loadtests.experiments.throughput import milliseconds
from loadtests.experiments.words import Words, config
from loadtests.measure import validity
from loadtests.measure.meter import Meter
from loadtests.measure.processes import Tree
from loadtests.measure.statistics import ecdf
from loadtests.report import parts
from loadtests.services import ASGI, LAST
from loadtests.sockets.audience import Audience
from loadtests.sockets.echo import echo_at_rate
from loadtests.sockets.errors import Unusable
from loadtests.sockets.fanout import fan_out
from loadtests.sockets.figures import arrays, figures
from loadtests.sockets.hold import hold_idle
from loadtests.sockets.pool import Pool
from loadtests.sockets.ramp import connect_ramp
from loadtests.sockets.restart import restart_under
from loadtests.sockets.slow import slow_consumer
from loadtests.stack import Stack

TITLE = "WebSockets"
PHASES = ("ramp", "hold", "echo", "fan-out", "slow consumer", "restart")
RESTART_SECONDS = 20  # of two replicas, one after the other
DRAIN_SECONDS = 3
ENOUGH_REACH = 1.0
MIB = 2**20


def main(words: Words) -> int:
    plan, service = config("websockets", words), words.service or LAST
    if service not in ASGI:
        raise Stop(f"SERVICE={service!r} has no WebSockets; choose from {', '.join(ASGI)}", 2)
    session = Session("websockets", TITLE, words, {**plan, "service": service}, length(plan))
    say(f"{TITLE} of {service}: {plan['connections']} connections; about {session.seconds / 60:.1f} min")
    return sessions.conduct(session, measure, conclude)


def length(plan: Mapping[str, Any]) -> float:
    ramp = plan["connections"] / plan["ramp_rate"]
    rest = plan["echo_seconds"] + plan["fanout_seconds"] + 2 * plan["slow_seconds"] + 4 * DRAIN_SECONDS
    return ramp + plan["hold_seconds"] + rest + (RESTART_SECONDS if plan["restart"] else 0) + 10


def measure(session: Session) -> None:
    """The driver is in this process: one thread, one event loop, on the generator's CPU."""
    session.extra["results"] = {}
    sources = session.stack.sources(session.config["service"]) if session.stack else {}
    with Meter({**sources, "generator": [Tree((os.getpid(),))]}) as session.extra["meter"]:
        try:
            asyncio.run(phases(session))
        except Unusable as error:
            raise Stop(str(error), 3) from None
        finally:
            judge(session)


async def phases(session: Session) -> None:
    plan, base = session.config, f"{session.url}/{session.config['service']}"
    async with Pool(base) as pool:
        await phase(session, "ramp", connect_ramp(pool, plan["connections"], plan["ramp_rate"], weigh(session)))
        await phase(session, "hold", hold_idle(pool, plan["hold_seconds"], weigh(session)), plan["hold_seconds"])
        await phase(
            session,
            "echo",
            echo_at_rate(pool, plan["echo_rate"], plan["echo_seconds"], drain=DRAIN_SECONDS),
            plan["echo_seconds"],
        )
    async with Audience(base, plan["subscribers"]) as audience:
        seconds = plan["fanout_seconds"]
        await phase(session, "fan-out", fan_out(audience, plan["fanout_rate"], seconds, drain=DRAIN_SECONDS), seconds)
    async with Audience(base, plan["slow_subscribers"]) as few:
        seconds = 2 * plan["slow_seconds"]
        await phase(
            session,
            "slow consumer",
            slow_consumer(few, plan["slow_rate"], plan["slow_seconds"], drain=DRAIN_SECONDS),
            seconds,
        )
    if plan["restart"] and session.stack:
        await restarted(session, session.stack, base)


async def restarted(session: Session, stack: Stack, base: str) -> None:
    """The last, because the replicas are others afterwards."""
    async with Audience(base, session.config["subscribers"]) as audience:
        restart = restart_under(audience, lambda: stack.ponte("restart", f"SERVICE={session.config['service']}"))
        await phase(session, "restart", restart, RESTART_SECONDS)


async def phase(session: Session, name: str, work: Any, seconds: float = 0.0) -> None:
    """Its result is kept, also of one that was interrupted; that ends the rest."""
    session.progress.told(name)
    begun = time.monotonic()
    result = await work
    session.extra["results"][name] = result
    session.extra.setdefault("windows", {})[name] = (begun, time.monotonic())
    session.done_seconds += seconds or time.monotonic() - begun
    session.progress.at(session.done_seconds)
    if getattr(result, "interrupted", False):
        raise KeyboardInterrupt


def weigh(session: Session):
    """Bytes of edge and app, None where the stack is elsewhere."""
    meter: Meter = session.extra["meter"]
    return (
        (lambda: {name: meter.weigh()[name] for name in ("edge", "app") if name in meter.roles})
        if session.stack
        else None
    )


def judge(session: Session) -> None:
    meter: Meter = session.extra["meter"]
    meter.tick()
    for name, (begin, end) in session.extra.get("windows", {}).items():
        usage, result = meter.usage(begin, end), session.extra["results"][name]
        found = {"generator run-queue wait": usage.waited / usage.seconds, "steal": usage.steal}
        if name in ("echo", "fan-out"):
            found["generator CPU of its core"] = usage.cpu["generator"] / usage.seconds
        if name == "echo":
            found["send lag p99"] = result.send_lag_p99
        doubts = [session.place.doubt] if session.place.doubt else []
        session.extra.setdefault("validities", []).append(validity.judge(found, doubts))


def conclude(session: Session) -> Parts:
    results = session.extra["results"]
    keep_arrays(session.folder / "sockets.npz", results)
    session.extra["figures"] = {name: figures(result) for name, result in results.items()}
    tables = [
        each
        for each in (connections(results), messages(results), troubles(results), resources(session))
        if each["rows"]
    ]
    return Parts(sentence(session.config["service"], results), tables, plots(results), notes(session, results))


def keep_arrays(path: Path, results: Mapping[str, Any]) -> None:
    raw = {f"{name}: {key}": value for name, result in results.items() for key, value in arrays(result).items()}
    np.savez_compressed(path, allow_pickle=False, **raw)


def sentence(service: str, results: Mapping[str, Any]) -> str:
    said = []
    if "hold" in results:
        hold = results["hold"]
        said.append(
            f"{service} held {hold.connections - hold.lost} of {hold.connections} idle WebSockets for {hold.seconds:.0f} s"
        )
    if "echo" in results:
        echo = results["echo"]
        said.append(f"echoed {echo.achieved:.0f} messages/s with p99 {echo.p99 * 1000:.1f} ms")
    if "fan-out" in results:
        total = results["fan-out"].total
        whole = "every" if total.reach >= ENOUGH_REACH else f"{total.reach:.2%} of all"
        said.append(f"delivered {whole} message to {total.subscribers} subscribers with p99 {total.p99 * 1000:.1f} ms")
    if "restart" in results:
        restart = results["restart"]
        lost = "lost none" if not restart.missed else f"lost {restart.missed}"
        said.append(f"{lost} of {restart.stored} messages through a restart of its replicas")
    return (
        (", ".join(said[:-1]) + (" and " if len(said) > 1 else "") + said[-1] + ".")
        if said
        else "Nothing was measured."
    )


def connections(results: Mapping[str, Any]) -> parts.Part:
    rows = []
    if "ramp" in results:
        ramp = results["ramp"]
        rows += [["opened", f"{ramp.opened} of {ramp.asked} at {ramp.rate:g}/s"], ["handshake p50, p99 (ms)", pair(ramp.p50, ramp.p99)],
                 ["failures", counted(ramp.failures)], ["over the replicas", counted(ramp.replicas)],
                 ["generator memory a connection (KiB)", f"{ramp.generator_per_connection / 1024:.1f}"]]  # fmt: skip
        rows += [
            [f"{name} memory a connection (KiB)", f"{value / 1024:.1f}"]
            for name, value in ramp.server_per_connection.items()
        ]
    if "hold" in results:
        hold = results["hold"]
        rows += [["held idle (s)", f"{hold.seconds:.0f}"], ["lost while idle", f"{hold.lost} {codes(hold.close_codes)}".strip()],
                 ["silent at the end", str(hold.silent)], ["pings of the server", str(hold.pings)]]  # fmt: skip
    note = (
        "Held past the 60 s after which nginx by default closes a silent connection, when the time is longer than that."
    )
    return parts.table("Connections", ["figure", "value"], rows, note)


def messages(results: Mapping[str, Any]) -> parts.Part:
    rows = []
    if "echo" in results:
        echo = results["echo"]
        rows.append(["echo", f"{echo.rate:g}", str(echo.sent), str(echo.lost), str(echo.duplicates), "-", milliseconds(echo.p50),
                     milliseconds(echo.p99), "-"])  # fmt: skip
    if "fan-out" in results:
        rows += [
            delivery(f"fan-out{name}", results["fan-out"].rate, each) for name, each in deliveries(results["fan-out"])
        ]
    if "slow consumer" in results:
        slow = results["slow consumer"]
        rows += [delivery("others, before one stalls", slow.before.rate, slow.before.total),
                 delivery("others, while one stalls", slow.during.rate, slow.during.total),
                 delivery("the stalled one, afterwards", slow.during.rate, slow.slow)]  # fmt: skip
    if "restart" in results:
        rows.append(delivery("through a restart", 10, results["restart"].delivery))
    columns = [
        "what",
        "rate (/s)",
        "expected",
        "lost",
        "twice",
        "out of order",
        "p50 (ms)",
        "p99 (ms)",
        "spread p99 (ms)",
    ]
    note = (
        "Delivery from when a message was due until a subscriber has it; spread from the first subscriber to the last."
    )
    return parts.table("Messages", columns, rows, note)


def deliveries(result: Any):
    yield "", result.total
    yield from ((f", {name}", each) for name, each in sorted(result.replicas.items()))


def delivery(what: str, rate: float, each: Any) -> list[str]:
    return [what, f"{rate:g}", str(each.expected), str(each.lost), str(each.duplicates), str(each.reordered),
            milliseconds(each.p50), milliseconds(each.p99), milliseconds(each.spread_p99)]  # fmt: skip


def troubles(results: Mapping[str, Any]) -> parts.Part:
    rows = []
    if "slow consumer" in results:
        slow = results["slow consumer"]
        end = f"closed with {slow.close_code}" if slow.closed else "stayed connected"
        rows += [["a consumer that stops reading", f"{slow.bytes_unread / MIB:.1f} MiB unread; {end}"],
                 ["delivery p99 of the others, while / before", f"{slow.p99_ratio:.2f}"],
                 ["it had everything after (s)", "never" if np.isnan(slow.catch_up) else f"{slow.catch_up:.1f}"]]  # fmt: skip
    if "restart" in results:
        restart = results["restart"]
        rows += [["connections dropped by a restart", f"{restart.dropped} {codes(restart.close_codes)} of {restart.subscribers} subscribers"],
                 ["outage of a subscriber p50, p99 (s)", f"{restart.outage_p50:.2f}, {restart.outage_p99:.2f}"],
                 ["99 % were back for good after (s)", "never" if np.isnan(restart.back_99) else f"{restart.back_99:.1f}"],
                 ["messages missed, twice", f"{restart.missed}, {restart.duplicated} of {restart.stored} stored"],
                 ["the restart took (s)", restart.failure or f"{restart.restart:.1f}"]]  # fmt: skip
    return parts.table("Trouble", ["what", "value"], rows)


def resources(session: Session) -> parts.Part:
    meter: Meter = session.extra["meter"]
    rows = []
    for name, (begin, end) in session.extra.get("windows", {}).items():
        if name == "restart":
            continue  # its replicas came and went
        used = meter.usage(begin, end).cpu
        rows.append(
            [name, *(f"{used.get(role, 0.0) / (end - begin):.0%}" for role in ("edge", "app", "database", "generator"))]
        )
    return parts.table("CPU of one core", ["phase", "edge", "app", "database", "generator"], rows)


def plots(results: Mapping[str, Any]) -> list[parts.Part]:
    found = []
    for name, title in (("echo", "Echo"), ("fan-out", "Delivery")):
        if name in results:
            x, y = ecdf(np.sort(delays(results[name])) * 1000)
            drawn = parts.series(name, x, y, "step")
            found.append(
                parts.plot(f"{title}: latency of all messages", "latency (ms)", "share of messages", [drawn], "x")
            )
    return found


def delays(result: Any) -> np.ndarray:
    """Seconds from when a message was due."""
    late = (
        result.done - result.intended
        if hasattr(result, "done")
        else result.at - result.intended[result.message.astype(int)]
    )
    return late[np.isfinite(late)]


def notes(session: Session, results: Mapping[str, Any]) -> list[str]:
    found = ["One client address: a real crowd comes over many, and with TLS."]
    if "slow consumer" in results and results["slow consumer"].p99_ratio < 1.5:
        found.append(
            "What was unread may have fitted into the buffers on the way; a consumer that stalls for longer is not measured."
        )
    if session.words.quick:
        found.append("Quick: a fifth of the time; connections are not held past 60 s.")
    return found


def pair(first: float, second: float) -> str:
    return f"{first * 1000:.1f}, {second * 1000:.1f}"


def counted(words: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(words.items())) or "none"


def codes(found: Mapping[int, int]) -> str:
    return f"({', '.join(f'{count} x {code}' for code, count in sorted(found.items()))})" if found else ""
