"""What docs/choosing.md and docs/sizing.md keep of a stored run: its figures, and where and how they were measured."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from loadtests.measure.validity import INVALID
from loadtests.report.runs import Run

ROLES = ("app", "edge", "database")
METERED = (*ROLES, "generator")
DELAY = 200  # milliseconds of the slow API
Figures = dict[str, Any]


class Refused(Exception):
    """A sentence for the user: figures that the page is not made of."""


@dataclass(frozen=True)
class Source:
    experiment: str
    take: Callable[[Run], Any]
    mix: str = ""

    @property
    def words(self) -> str:
        return f"{self.experiment} MIX={self.mix}" if self.mix else self.experiment

    def made(self, run: Run) -> bool:
        return (run["experiment"], run["config"].get("mix", "")) == (self.experiment, self.mix)


def costs(run: Run) -> Figures:
    """Service -> milliseconds of CPU a request of each part, good answers a second and the p50, each repetition for itself."""
    found: Figures = {}
    for point in run["points"]:
        if point["offered"] and point["validity"]["verdict"] != INVALID:
            mine = found.setdefault(
                point["service"],
                {"rate": point["offered"], "answered": [], "p50": [], **{role: [] for role in METERED}},
            )
            mine["answered"].append(round(point["achieved"], 1))
            mine["p50"].append(milliseconds(point["latency"]["p50"]))
            for role in METERED:
                mine[role].append(milliseconds(point["cost"][role]))
    return found


def milliseconds(seconds: float) -> float:
    return round(seconds * 1000, 3)


def table(title: str, columns: Sequence[str]) -> Callable[[Run], Figures]:
    """Some columns of a table, as the report has them."""

    def take(run: Run) -> Figures:
        (found,) = (each for each in run["tables"] if each["title"] == title)
        places = [found["columns"].index(column) for column in columns]
        rows = [[row[place] for place in places] for row in found["rows"]]
        return {"columns": list(columns), "rows": rows, "quota": run["config"].get("cpu_quota")}

    return take


def kibibytes(ramp: Figures) -> Figures:
    """Of a connection, in each part of the stack and in the generator."""
    every = {**ramp["server_per_connection"], "generator": ramp["generator_per_connection"]}
    return {role: round(size / 1024) for role, size in every.items()}


def sockets(run: Run) -> Figures:
    found = run["figures"]
    held, sent, restart = found["hold"], found["fan-out"], found["restart"]
    return {
        "held": held["connections"] - held["lost"], "connections": held["connections"],
        "KiB": kibibytes(found["ramp"]),
        "deliveries": sent["rate"] * sent["total"]["subscribers"], "undelivered": sent["total"]["lost"],
        "cpu": dict(table("CPU of one core", ("phase", "app"))(run)["rows"])["fan-out"],
        "stored": restart["stored"], "missed": restart["missed"],
    }  # fmt: skip


ARRANGED = ("workers", "replicas", "in all", "capacity (requests/s)", "95 % interval", "speed-up", "balance")
SOURCES = {
    "cpu": Source("load", costs, "cpu"),
    "workers": Source("scaling", table("Arrangements, cpu", ARRANGED), "cpu"),
    "query": Source("load", costs, "query"),
    "slow": Source("load", costs, f"/wait?ms={DELAY}"),
    "sockets": Source("websockets", sockets),
    "upload": Source("load", costs, "upload"),
}


def usable(run: Run) -> None:
    """A run whose own verdict is against it gives no figure."""
    if run["verdict"]["word"] == INVALID or run["interrupted"]:
        raise Refused(f"{run['id']} gives no figure: {'; '.join(run['verdict']['reasons']) or 'it was interrupted'}")


def taken(run: Run) -> tuple[str, Figures]:
    """(which source, what is kept)"""
    name = next((name for name, source in SOURCES.items() if source.made(run)), "")
    if not name:
        made = ", ".join(each.words for each in SOURCES.values())
        raise Refused(f"{run['id']} is not what the page is made of; choose from {made}")
    usable(run)
    about, stack = run["environment"], run["environment"]["stack"]
    return name, {
        "run": run["id"], "command": run["command"], "started": run["started"], "seconds": round(run["seconds"]),
        "verdict": run["verdict"], "commit": about["commit"], "placement": about["placement"], "host": about["host"],
        "engine": stack["engine"], "services": stack["services"], "versions": about["versions"],
        "figures": SOURCES[name].take(run),
    }  # fmt: skip
