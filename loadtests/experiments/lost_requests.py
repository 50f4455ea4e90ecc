"""`make lost-requests`: what is lost when a stack under load is scaled, released, rolled back, reloaded, restarted, killed?

A table: one line for each server and operation. Every operation happens under the oracle's load to a stack of its own,
from a copy of the checkout, which goes away again.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from itertools import zip_longest
from pathlib import Path
from statistics import median
from threading import Event
from typing import Any

from loadtests.drills.bounds import Bounds, in_flight
from loadtests.errors import Stop
from loadtests.experiments import environment
from loadtests.experiments.operations import OPERATIONS, Operation, Scene
from loadtests.experiments.progress import Progress, progress, say
from loadtests.experiments.words import Words, config
from loadtests.measure import validity
from loadtests.oracle import Judgement, Load
from loadtests.oracle.records import REQUESTS, Request, read
from loadtests.report import disk, lost_requests, parts
from loadtests.report.runs import REPORTS, Runs, Unwritable
from loadtests.services import ONE_OF_EACH, SERVICES
from loadtests.stack import ROOT, Laboratory, laboratory

TITLE = "Lost requests"
NAME = "lost-requests"
DOCUMENT = ROOT / "docs" / "lost-requests.md"
SERVED_BY = ONE_OF_EACH  # a server is measured under the service that has its interface
OTHERS = {f"{each.upper().replace('-', '_')}_REPLICAS": "1" for each in SERVICES if each not in SERVED_BY.values()}
COUNTED = ("GET lost", "POST lost", "rows twice", "chat messages missed")  # with a column of their own
FOLLOWED_SECONDS = 0.5  # the load has waited for the log already, not for who copies it
SHOWN = 20  # losses of one operation
BOUNDS_OF_A_KILL = Bounds({"POST": in_flight})  # as in the drill kill-replica; of everything else nothing may be lost
START_SECONDS = 45  # a stack, and its end
LATE_SECONDS, RATE_SHARE = 1.0, 0.95  # a client beyond these was held back by the machine


@dataclass
class Result:
    """One operation, once."""

    server: str
    service: str
    operation: str
    repetition: int
    seconds: float = 0.0
    requests: int = 0
    faults: dict[str, int] = field(default_factory=dict)
    worst: float = 0.0
    late: float = 0.0
    rate: float = 0.0  # of what was asked for
    sentence: str = ""
    broken: list[str] = field(default_factory=list)  # what was promised and not kept
    losses: list[str] = field(default_factory=list)
    failed: str = ""  # why the operation did not come to its end

    @property
    def kept(self) -> bool:
        return not self.broken and not self.failed

    @property
    def why(self) -> str:
        return f"{self.operation} of {self.server}: {'; '.join([*filter(None, [self.failed]), *self.broken])}"


def main(words: Words) -> int:
    run = Run(words)
    say(f"{TITLE}: {', '.join(run.servers)}; about {run.length / 60:.0f} min on a stack of its own")
    return run.conduct()


class Run:
    def __init__(self, words: Words):
        """Everything that can be refused, before anything is begun."""
        self.words, self.plan = words, config(NAME, words)
        self.repetitions = self.plan["repetitions"]
        self.table = launcher_table()
        self.servers, self.absent = chosen(words.server, self.table)
        self.operations = [OPERATIONS[name] for name in self.plan["operations"]]
        self.engine = os.environ.get("ENGINE") or "auto"
        self.results: list[Result] = []
        self.environment: dict[str, Any] = {}
        self.interrupted = False
        self.trouble: Stop | None = None
        self.started, self.clock, self.done = datetime.now(UTC), time.monotonic(), 0.0

    @property
    def defaults(self) -> list[str]:
        return list(dict.fromkeys(each["default"] for each in self.table["services"].values()))

    @property
    def rounds(self) -> list[dict[str, str]]:
        """Service -> server, of each stack that is started: one of both interfaces beside each other."""
        found = [
            [(service, name) for name in self.servers if interface in self.table["servers"][name]["interfaces"]]
            for interface, service in SERVED_BY.items()
        ]
        return [dict(filter(None, pair)) for pair in zip_longest(*found)]

    @property
    def length(self) -> float:
        one = sum(each.seconds for each in self.operations)
        return len(self.rounds) * START_SECONDS + self.repetitions * len(self.servers) * one

    def conduct(self) -> int:
        """Measures, then reports: all of it, or what there is after an interruption or a failure half-way."""
        try:
            self.folder = Runs(REPORTS).start(NAME, self.started)
        except Unwritable as error:
            raise Stop(str(error), 3) from None
        try:
            self.measure()
        except KeyboardInterrupt:
            self.interrupted = True
        except Stop as error:
            self.trouble = error
        if not self.results:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise self.trouble or Stop("interrupted before anything was measured; the stack of its own is gone", 130)
        return self.report()

    def measure(self) -> None:
        with (
            progress(TITLE, self.length) as shown,
            laboratory(self.engine, OTHERS, own_checkout=True) as stack,
        ):
            for servers in self.rounds:
                shown.told(f"starting a stack of its own: {', '.join(servers.values())}")
                try:
                    stack.restart(**{f"{service.upper()}_SERVER": server for service, server in servers.items()})
                except Stop as error:
                    self.refuse(servers.values(), error)
                    continue
                self.environment = self.environment or described(stack)
                self.advance(shown, START_SECONDS)
                readers = self.readers(servers)
                scenes = {
                    self.label(server, service): Scene(stack, service, readers) for service, server in servers.items()
                }
                for repetition in range(1, self.repetitions + 1):
                    for server, scene in scenes.items():
                        for each in self.operations:
                            self.one(shown, scene, server, each, repetition)

    def readers(self, servers: Mapping[str, str]) -> int:
        """Of the chat; none where the server of one of its applications has no WebSockets."""
        chat = servers.get(SERVED_BY.get("asgi", ""))
        return self.plan["sockets"] if chat is None or self.table["servers"][chat]["websockets"] else 0

    def label(self, server: str, service: str) -> str:
        """One that serves both interfaces is measured as two."""
        return f"{server} ({service})" if len(self.table["servers"][server]["interfaces"]) > 1 else server

    def refuse(self, servers: Iterable[str], error: Stop) -> None:
        """One that does not start keeps no other from being measured, but for the defaults."""
        if len(self.rounds) == 1 or set(servers) & set(self.defaults):
            raise error
        self.absent += [f"{name} ({error})" for name in servers]

    def one(self, shown: Progress, scene: Scene, server: str, operation: Operation, repetition: int) -> None:
        shown.told(f"{server}: {operation.name}, {repetition} of {self.repetitions}")
        result = Result(server, scene.service, operation.name, repetition)
        folder = self.folder / file_name(result)
        try:
            operation.begin(scene)
            self.under_load(scene, operation, result, folder)
        except Stop as error:
            result.failed = str(error)
        except KeyboardInterrupt:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        if result.kept:  # else the raw notes stay, for there is something to explain
            shutil.rmtree(folder)
        self.results.append(result)
        say(f"  {result.failed or '; '.join(result.broken) or 'as promised'}: {result.sentence or 'no figures'}")
        self.advance(shown, operation.seconds)

    def advance(self, shown: Progress, seconds: float) -> None:
        self.done += seconds
        shown.at(self.done)

    def under_load(self, scene: Scene, operation: Operation, result: Result, folder: Path) -> None:
        plan, stack = self.plan, scene.stack
        folder.mkdir()
        log, load = folder / "edge.log", Load(
            stack.url, stack.tls_url, (scene.service,), plan["rate"], scene.readers, folder=folder
        )  # fmt: skip
        with stack.edge_log(log, FOLLOWED_SECONDS), load:
            Event().wait(plan["before"])
            load.mark(operation.name)
            begun = time.monotonic()
            try:
                operation.run(scene, load)
            except Stop as error:
                result.failed = str(error)
            result.seconds = time.monotonic() - begun
            Event().wait(plan["after"])
        with log.open(errors="replace") as lines:
            judged(result, operation, scene, load, load.verdict(lines))

    def report(self) -> int:
        run = self.as_run()
        Runs(REPORTS).save(self.folder, run)
        if self.published:
            disk.replace(DOCUMENT, lost_requests.page(run, {each.name: each.what for each in self.operations}))
        print(run["conclusion"])
        print(f"measurement: {run['verdict']['word']}{''.join(f': {each}' for each in run['verdict']['reasons'][:1])}")
        print(f"report: {os.path.relpath(self.folder / 'index.html', Path.cwd())}")
        if self.published:
            print(f"table: {os.path.relpath(DOCUMENT, Path.cwd())}")
        if self.trouble:
            raise self.trouble
        return 130 if self.interrupted else int(not all(each.kept for each in self.of_defaults()))

    @property
    def published(self) -> bool:
        """Whole runs with every default server are what the page in docs/ is rendered from."""
        whole = not (self.words.quick or self.interrupted or self.trouble)
        return whole and set(self.defaults) <= set(self.servers)

    def of_defaults(self) -> list[Result]:
        return [each for each in self.results if each.server in self.defaults]

    def as_run(self) -> dict[str, Any]:
        reasons = self.reasons()
        return {
            "format": 1, "id": self.folder.name, "experiment": NAME, "title": TITLE,
            "started": self.started.strftime("%Y-%m-%dT%H:%M:%SZ"), "seconds": time.monotonic() - self.clock,
            "quick": self.words.quick, "interrupted": self.interrupted,
            "command": " ".join(["./ponte", NAME, *self.words.given]),
            "config": {**self.plan, "repetitions": self.repetitions}, "environment": self.environment,
            "conclusion": conclusion(self.results, self.defaults), "notes": self.notes(),
            "verdict": {"word": validity.SUSPECT if reasons else validity.VALID, "reasons": reasons},
            "figures": {"operations": [asdict(each) for each in self.results], "absent": self.absent},
            "tables": [table(self.results, self.operations)], "plots": [], "points": [], "validity": [],
        }  # fmt: skip

    def notes(self) -> list[str]:
        absent = [f"Not measured: {', '.join(self.absent)}."] if self.absent else []
        broken = [each.why for each in self.results if not each.kept]
        return [
            f"Load: {self.plan['rate']} requests/s to the service, GET and POST in turns, over HTTP/1.1 kept alive, HTTP/1.1 "
            f"with a connection each and HTTP/2 over TLS; {self.plan['sockets']} WebSockets and an event stream on each ASGI "
            "service, where their servers have WebSockets. None is ever sent again by the client.",
            *absent,
            *broken,
        ]

    def reasons(self) -> list[str]:
        """Why a loss may be the machine's; what was counted is counted all the same."""
        late = max((each.late for each in self.results), default=0.0)
        share = min((each.rate for each in self.results if each.requests), default=1.0)
        told = {
            "it was interrupted": self.interrupted,
            str(self.trouble): self.trouble,
            f"the client was up to {late:.1f} s behind its schedule: the machine was busy": late > LATE_SECONDS,
            f"the client sent {share:.0%} of the rate: the machine was busy": share < RATE_SHARE,
        }
        return [reason for reason, true in told.items() if true]


def judged(result: Result, operation: Operation, scene: Scene, load: Load, verdict: Judgement) -> None:
    result.requests, result.faults, result.losses = verdict.requests, verdict.faults, verdict.losses[:SHOWN]
    result.worst, result.late, result.rate = verdict.worst, verdict.late, verdict.rate / verdict.asked
    result.sentence = verdict.sentence()
    if operation.bounded and scene.moments.broken:
        requests = read(load.folder / REQUESTS, Request)
        result.broken = BOUNDS_OF_A_KILL.broken(verdict, requests, scene.moments)
    else:
        result.broken = [f"{count} {name}" for name, count in verdict.faults.items() if count]


def launcher_table() -> dict[str, Any]:
    """Services and servers, as the launcher knows them."""
    asked = subprocess.run(
        [sys.executable, "-m", "serve", "--table"], cwd=ROOT / "apps", capture_output=True, text=True, check=False
    )
    if asked.returncode:
        raise Stop(f"python -m serve --table failed: {asked.stderr.strip().rpartition(chr(10))[2]}")
    return json.loads(asked.stdout)


def chosen(word: str, table: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """(servers to measure, the others with the reason)"""
    servers = {name: each for name, each in table["servers"].items() if not each["matrix_only"]}
    if word not in ("", "all", *servers):
        raise Stop(f"SERVER={word!r} is unknown; choose from all, {', '.join(servers)}", 2)
    if word != "all":  # `up` installs what is missing, or says what that needs
        return [word] if word else list(dict.fromkeys(each["default"] for each in table["services"].values())), []
    absent = [name for name, each in servers.items() if not each["installed"]]
    return [name for name in servers if name not in absent], [f"{name} (not installed)" for name in absent]


def described(stack: Laboratory) -> dict[str, Any]:
    replicas = stack.replicas()
    return {
        "host": environment.host(),
        "versions": environment.versions(replicas),
        "commit": environment.commit(),
        "placement": "The client and the stack share every CPU of the machine.",
        "stack": environment.running(replicas, stack.url, stack.environ["PONTE_RUN"]),
    }


def file_name(result: Result) -> str:
    return re.sub("[^a-z0-9]+", "-", f"{result.server} {result.operation} {result.repetition}".lower())


def table(results: Sequence[Result], operations: Sequence[Operation]) -> parts.Part:
    columns = ("server", "operation", "requests", "lost GET", "lost POST", "twice", "chat missed", "other faults",
               "slowest answer", "took", "N")  # fmt: skip
    names = dict.fromkeys(each.server for each in results)
    groups = [
        [each for each in results if (each.server, each.operation) == (server, operation.name)]
        for server in names for operation in operations
    ]  # fmt: skip
    note = "N operations; counts are sums, the slowest is of all, the time an operation took is the median."
    return parts.table("What was lost", columns, [row(group) for group in groups if group], note)


def row(group: Sequence[Result]) -> list[str]:
    """Of one server and operation."""
    failed, faults = sum(bool(each.failed) for each in group), total(group)
    others = sum(count for name, count in faults.items() if name not in COUNTED)
    return [
        group[0].server, group[0].operation, f"{sum(each.requests for each in group):,}",
        *(str(faults.get(name, 0)) for name in COUNTED), str(others),
        f"{max(each.worst for each in group):.2f} s", f"{median(each.seconds for each in group):.1f} s",
        f"{len(group)}{f', {failed} failed' if failed else ''}",
    ]  # fmt: skip


def total(results: Sequence[Result]) -> dict[str, int]:
    found: dict[str, int] = {}
    for each in results:
        for name, count in each.faults.items():
            found[name] = found.get(name, 0) + count
    return found


def conclusion(results: Sequence[Result], defaults: Sequence[str]) -> str:
    ours = [each for each in results if each.server in defaults]
    others = [each for each in results if each.server not in defaults]
    said = [of_defaults(ours)] if ours else ["No default server was measured."]
    return " ".join(said + ([of_others(others)] if others else []))


def of_others(results: Sequence[Result]) -> str:
    """In a few words, for there may be ten of them; the notes say what each lost."""
    names = list(dict.fromkeys(each.server for each in results))
    broken = list(dict.fromkeys(each.server for each in results if not each.kept))
    if not broken:
        return f"Everything as promised by {', '.join(names)}."
    return f"Of {len(names)} others not everything as promised by {', '.join(broken)}."


def of_defaults(results: Sequence[Result]) -> str:
    names = " and ".join(dict.fromkeys(each.server for each in results))
    broken = [each for each in results if not each.kept]
    if broken:
        return f"The column of defaults is not zeros: {lost(broken)}."
    killed = [each for each in results if OPERATIONS[each.operation].bounded]
    orderly = [each for each in results if each not in killed]
    told = [
        f"Nothing is lost by {names}: 0 of {sum(each.requests for each in orderly):,} requests in {len(orderly)} operations"
    ]
    if killed:
        faults = total(killed)
        told.append(
            f"SIGKILL of a replica lost {faults['GET lost']} GET and {faults['POST lost']} POST in {len(killed)}, within "
            f"its bounds"
        )
    return f"{'; '.join(told)}."


def lost(broken: Sequence[Result]) -> str:
    return f"{broken[0].why}" + (f" (and {len(broken) - 1} more)" if len(broken) > 1 else "")
