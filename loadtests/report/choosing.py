"""docs/choosing.md: from the kind of work to interface, server, workers and threads, by figures of stored runs.

    python -m loadtests.report.choosing [RUN ...]

keeps the figures of those runs in docs/choosing.json, and writes the page from what is kept there.
"""

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from loadtests.measure.comparison import ratio
from loadtests.report import say
from loadtests.report.figures import DELAY, ROLES, SOURCES, Figures, Refused, taken
from loadtests.report.lost_requests import measurement
from loadtests.report.markdown import read, table
from loadtests.report.runs import REPORTS, NotARun, Runs
from loadtests.services import ASGI

DOCS = Path(__file__).resolve().parents[2] / "docs"
DOCUMENT, KEPT, SERVERS = DOCS / "choosing.md", DOCS / "choosing.json", DOCS / "servers.md"
WSGI = ("flask", "django")
THREADS, POOL = 8, 4  # of a worker, and the connections of its pool, where nobody says otherwise
NEARLY = 0.9  # Poisson arrivals of some seconds are not exactly as many as their rate says
PAYS = 0.7  # of what the workers would carry if each carried as much as one
ALIKE = 1.3  # the most over the least, of what one kind of work costs under both interfaces


# ------------------------------------------------------------------------------------ what it says

Kept = Mapping[str, Any]  # source -> what is kept of its run


def beside_flask(costs: Figures, service: str) -> str:
    found = ratio(costs["flask"]["app"], costs[service]["app"]).interval
    return f"{found.value:.2f} ({found.low:.2f} … {found.high:.2f})"


def share(costs: Figures, role: str) -> float:
    """Of the CPU of a request, over all services."""
    used = {each: sum(median(mine[each]) for mine in costs.values()) for each in ROLES}
    return used[role] / sum(used.values())


def under_way(costs: Figures) -> float:
    """Requests, by Little's law, where they took longest."""
    return max(mine["rate"] * median(mine["p50"]) / 1000 for mine in costs.values())


def answered(kept: Kept, service: str) -> float:
    return median(kept["slow"]["figures"][service]["answered"])


def processes(kept: Kept, service: str) -> int:
    mine = kept["slow"]["services"][service]
    return mine["replicas"] * (mine["workers"] or 1)


def ends(kept: Kept, column: str) -> tuple[str, str]:
    """Of the smallest and of the largest arrangement."""
    found = kept["workers"]["figures"]
    place = found["columns"].index(column)
    return found["rows"][0][place], found["rows"][-1][place]


def edge(costs: Figures, services: Sequence[str]) -> float:
    return median(each for service in services for each in costs[service]["edge"])


@dataclass(frozen=True)
class Kind:
    """A line of the first table; it stands there as long as `holds` is true of the figures."""

    work: str
    interface: str
    server: str
    size: str
    because: Callable[[Kept], str]
    holds: Callable[[Kept], bool]
    measure: str


def computing(kept: Kept) -> str:
    costs, (few, many), (_, speed_up) = kept["cpu"]["figures"], ends(kept, "in all"), ends(kept, "speed-up")
    return (f"4 ms of computing take {beside_flask(costs, 'fastapi')} times as much CPU in FastAPI as in Flask; {many} workers carry "
            f"{speed_up} times as much as {few}")  # fmt: skip


def only_workers_help(kept: Kept) -> bool:
    (few, many), (_, speed_up) = (map(float, ends(kept, column)) for column in ("in all", "speed-up"))
    used = [median(mine["app"]) for mine in kept["cpu"]["figures"].values()]
    return speed_up > PAYS * many / few and max(used) < ALIKE * min(used)


def asking(kept: Kept) -> str:
    costs = kept["query"]["figures"]
    return (f"of the CPU of five queries {share(costs, 'app'):.0%} is the application's, {share(costs, 'database'):.0%} PostgreSQL's; "
            f"{costs['flask']['rate']:g} requests/s keep {under_way(costs):.1f} connections busy at most")  # fmt: skip


def is_the_applications(kept: Kept) -> bool:
    costs = kept["query"]["figures"]
    return share(costs, "app") > 0.5 and under_way(costs) < POOL


def waiting(kept: Kept) -> str:
    return (f"of {kept['slow']['figures']['flask']['rate']:g} requests/s that wait for {DELAY} ms {THREADS * processes(kept, 'flask')} threads answer "
            f"{answered(kept, 'flask'):.0f} (Flask), {processes(kept, 'fastapi')} event loops {answered(kept, 'fastapi'):.0f} (FastAPI)")  # fmt: skip


def loops_answer_all(kept: Kept) -> bool:
    """And threads what their number lets them."""
    costs, most = kept["slow"]["figures"], THREADS * processes(kept, "flask") / DELAY * 1000
    return answered(kept, "flask") <= most < NEARLY * costs["fastapi"]["rate"] <= answered(kept, "fastapi")


def holding(kept: Kept) -> str:
    found = kept["sockets"]["figures"]
    return (f"{found['held']} of {found['connections']} idle ones held, at {found['KiB']['app']:g} KiB each in the application and "
            f"{found['KiB']['edge']:g} KiB in nginx; {found['deliveries']:,} deliveries a second took {found['cpu']} of a core; {found['missed']} of {found['stored']} messages lost through a restart")  # fmt: skip


def holds_all(kept: Kept) -> bool:
    found = kept["sockets"]["figures"]
    return found["held"] == found["connections"] and not found["undelivered"] + found["missed"]


def sending(kept: Kept) -> str:
    costs = kept["upload"]["figures"]
    return (f"256 KiB cost nginx {edge(costs, WSGI):.2f} ms of CPU when it keeps them for WSGI, {edge(costs, ASGI):.2f} ms when it passes them "
            f"to ASGI; FastAPI takes {beside_flask(costs, 'fastapi')} times as much as Flask")  # fmt: skip


def keeping_is_cheap(kept: Kept) -> bool:
    costs = kept["upload"]["figures"]
    return all(median(costs[name]["edge"]) < median(costs[name]["app"]) for name in WSGI)


KINDS = (
    Kind("[Computing](#computing)", "either", "the default", "a worker for each CPU", computing, only_workers_help,
         "`make load MIX=cpu RATE=50`, `make scaling SERVICE=flask MIX=cpu`"),
    Kind("[A database](#a-database)", "either", "the default", "as for computing; threads and connections as they are", asking,
         is_the_applications, "`make load MIX=query RATE=50`"),
    Kind("[Slow APIs](#slow-apis)", "ASGI, and `await`", "`uvicorn`", "a replica for each CPU. Under WSGI: threads for rate x delay", waiting,
         loops_answer_all, "`make load MIX=/wait?ms=200 RATE=200`, `make slow-io`"),
    Kind("[WebSockets](#websockets-and-event-streams), event streams", "ASGI", "`uvicorn`", "a replica for each CPU; memory for each connection",
         holding, holds_all, "`make websockets`"),
    Kind("[Uploads](#uploads-and-downloads), downloads", "either", "the default", "as for computing: slow clients hold none", sending,
         keeping_is_cheap, "`make load MIX=upload RATE=40`"),
)  # fmt: skip

PAGE = """# Choosing

What does a request of yours do? Start with what stands beside it, then measure that on your own machine. Kinds of work mix in one
project: the edge leads each path to a service of its own, under an interface and a server of its own.

{kinds}

Each figure is of this project's own runs, named [below](#where), and the command there repeats it. Ratios hold better than numbers:
another machine has other milliseconds. In brackets stand, behind a number, its least and its most over the repetitions, and
behind a ratio its 95 % interval.

## Computing

{cpu}

It is the work that costs, not the interface, and one more worker carries as much again as long as there is a CPU for it. Gunicorn starts
one for each CPU of its control group (`WEB_CONCURRENCY` says another number), Uvicorn has one a replica (`FASTAPI_REPLICAS`).
Where each worker has {quota} CPUs:

{workers}

`make scaling SERVICE=flask MIX=cpu` finds the same for whole CPUs, and says when one worker more no longer pays.

## A database

{query}

Five queries of one row; Django asks by its ORM, the others by SQL. Most of the CPU is the application's own, so it asks for workers
first, as computing does. A request that is under way holds a thread and a connection; how many do is rate x time (Little's
law), and these {processes} processes with a `DATABASE_POOL` of {pool} have {connections} connections. Queries that are slow are slow APIs.

## Slow APIs

{slow}

A thread that waits is taken: threads carry slots / delay, here {most} requests/s, and what is asked beyond that queues. So raise `THREADS`
until rate x delay fits. An event loop waits for as many as come, as long as everything it calls is awaited: a blocking call in
`async def` stops everybody of that worker, and turns it into one slot. `make slow-io` finds from which delay on the loop
carries more, and what blocking costs.

## WebSockets and event streams

They need ASGI: under WSGI the answer is 501, since each reader would hold a thread as long as it listens. {sockets}
So idle connections are counted in memory and messages in CPU. The report of `make websockets` has both, and what
a consumer that stops reading does to the others.

## Uploads and downloads

{upload}

A body of 256 KiB. The edge gives it to WSGI when it is whole, so that a slow client costs a connection and never a thread; to ASGI
it passes as it comes, which is for an application that has to see it early. Both are
[promised and tested](../tests/promises/slow_clients/promise.md). Answers are taken off the application's hands in both; a stream
(`X-Accel-Buffering: no`) is not, and holds a thread as long as it lasts: it is a slow API. Which servers keep bodies whole in
memory, or in a file, says [their table](../README.md#servers).

## Then the server

{servers}

CPU a request beside the default server of the interface, for an answer that does next to nothing: what a request computes
comes on top. `wsgiref` and `tornado` are references and carry no stack. What each keeps and loses:
[Servers and frameworks](servers.md).

## Where

{runs}

What makes a measurement suspect or invalid: [Load testing](load-testing.md#what-makes-a-measurement-valid). No figure is of an invalid one.

{host}; {engine}; {placement}; {versions}.
`python -m loadtests.report.choosing RUN ...` takes the figures of newer runs of these commands.
"""


class Contradicted(Refused):
    """The figures lead elsewhere than the page says."""


def page(kept: Kept, servers: str) -> str:
    """`servers` is docs/servers.md. Raises Contradicted."""
    for kind in KINDS:
        if not kind.holds(kept):
            raise Contradicted(f"the figures of {kind.work} lead elsewhere: {kind.because(kept)}")
    newest = max(kept.values(), key=lambda each: each["started"])
    every = sum(processes(kept, service) for service in kept["slow"]["services"])
    return PAGE.format(
        kinds=rows(("your work", "interface", "server", "workers and threads", "because", "measure it"),
                   [(each.work, each.interface, each.server, each.size, each.because(kept), each.measure) for each in KINDS]),
        **{name: of_costs(kept[name]["figures"]) for name in ("cpu", "query", "upload")},
        workers=table(kept["workers"]["figures"]["columns"], kept["workers"]["figures"]["rows"], words=2),
        quota=kept["workers"]["figures"]["quota"], slow=of_waits(kept), most=f"{THREADS * processes(kept, 'flask') / DELAY * 1000:.0f}",
        processes=every, pool=POOL, connections=POOL * every,
        sockets=sentence(holding(kept)), servers=of_servers(servers), runs=of_runs(kept), **where(newest),
    )  # fmt: skip


def rows(columns: Sequence[str], cells: Sequence[Sequence[str]]) -> str:
    """A table of words."""
    return table(columns, cells, words=len(columns))


def of_costs(costs: Figures) -> str:
    columns = ("service", "app CPU (ms/request)", "beside Flask", "nginx CPU", "PostgreSQL CPU")
    return rows(columns, [
        (name, spread(mine["app"]), "1" if name == "flask" else beside_flask(costs, name),
         *(f"{median(mine[role]):.2f}" for role in ("edge", "database"))) for name, mine in costs.items()
    ])  # fmt: skip


def of_waits(kept: Kept) -> str:
    columns = ("service", "at once", "answered (/s)", "p50 (ms)", "app CPU (ms/request)")
    return rows(columns, [
        (name, f"{THREADS * processes(kept, name)} threads" if name in WSGI else f"{processes(kept, name)} event loops",
         *(spread(mine[each], digits) for each, digits in (("answered", 0), ("p50", 0), ("app", 2))))
        for name, mine in kept["slow"]["figures"].items()
    ])  # fmt: skip


def spread(values: Sequence[float], digits: int = 2) -> str:
    middle, least, most = (f"{each:.{digits}f}" for each in (median(values), min(values), max(values)))
    return f"{middle} ({least} … {most})"


def sentence(said: str) -> str:
    return f"{said[:1].upper()}{said[1:]}."


def of_servers(text: str) -> str:
    """The column of costs, from the table in docs/servers.md."""
    cost = "CPU a request"
    measured = sorted((each for each in read(text, "server") if each[cost] != "-"), key=lambda each: each[cost])
    return rows(("interface", cost), [
        (kind, ", ".join(f"{each['server']} {each[cost]}" for each in measured if each[kind] != "-")) for kind in ("WSGI", "ASGI")
    ])  # fmt: skip


def of_runs(kept: Kept) -> str:
    return rows(("made by", "on", "in", "measurement"), [
        (f"`{each['command']}`", say.moment(each["started"]), say.duration(each["seconds"]), measurement(each["verdict"]))
        for each in kept.values()
    ])  # fmt: skip


def where(made: Figures) -> dict[str, str]:
    host = made["host"]
    return {
        "host": f"{host['cpu']}, {host['cores']} cores, {say.size(host['memory'])}, Linux {host['kernel']}, Python {host['python']}",
        "engine": f"engine {made['engine']}, two replicas of each service",
        "placement": made["placement"],
        "versions": ", ".join(f"{name} {version}" for name, version in made["versions"].items()),
    }


# ------------------------------------------------------------------------------------ what is written


def kept() -> dict[str, Any]:
    return json.loads(KEPT.read_text()) if KEPT.exists() else {}


def as_json(found: Kept) -> str:
    """A line for each run."""
    return "{\n" + ",\n".join(f"{json.dumps(name)}: {json.dumps(each)}" for name, each in found.items()) + "\n}\n"


def whole(found: Kept) -> Kept:
    """In the order of the page. Raises Refused where a source has no run."""
    lacking = [each.words for name, each in SOURCES.items() if name not in found]
    if lacking:
        raise Refused(f"the page lacks a run of {', '.join(lacking)}")
    return {name: found[name] for name in SOURCES}


def main(given: Sequence[str]) -> int:
    try:
        found = whole(kept() | dict(taken(Runs(REPORTS).load(name)) for name in given))
        text = page(found, SERVERS.read_text())
    except (NotARun, Refused) as error:
        print(f"ponte: {error}", file=sys.stderr)
        return 1 if isinstance(error, Contradicted) else 2
    KEPT.write_text(as_json(found))
    DOCUMENT.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
