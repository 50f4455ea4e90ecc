"""docs/sizing.md: how many generators, connections, ports and bytes a session of load tests takes, and what stands under it.

    python -m loadtests.report.sizing [RUN]

writes the page from the figures in docs/choosing.json, or prints its tables for a stored run of `make load` of your own.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import Any

from loadtests.measure import sizing
from loadtests.measure.sizing import Crowd, Session, Work
from loadtests.measure.validity import LIMITS
from loadtests.report import say
from loadtests.report.choosing import DOCS, kept, whole
from loadtests.report.figures import DELAY, Figures, Refused, costs, usable
from loadtests.report.markdown import table
from loadtests.report.runs import REPORTS, NotARun, Runs
from loadtests.sockets.limits import SPARE

DOCUMENT = DOCS / "sizing.md"
RATES = (10_000, 100_000, 1_000_000)
SERVICE = "fastapi"
FILES = 65536  # open files that a generator's machine allows a process
# (request, answer) in bytes, medians of the edge's log (`request_length`, `bytes`) of the same runs.
BYTES = {"query": (77, 611), "slow": (87, 483)}

Rows = Sequence[tuple[str, Callable[[Any], str], str]]  # what, how many, by which reckoning


def number(value: float) -> str:
    return f"{value:,.0f}"


def gigabits(value: float) -> str:
    return f"{value / 1e9:.2g}"


def size(value: float) -> str:
    return say.size(value)


def of_generators(work: Work) -> Rows:
    ms = f"{work.generator * 1000:.2f} ms"
    return (
        ("arrivals a second of a process", lambda one: number(one.rate_of_a_process), f"{sizing.BUSY:.0%} of a core / {ms}, [measured](#what-a-request-costs)"),
        ("processes (Locust workers)", lambda one: number(one.processes), "rate / that"),
        (f"machines of {sizing.CORES} cores", lambda one: number(one.machines), "processes / 7: a core is left to the kernel, which the network keeps busy"),
        ("Locust masters", lambda one: number(one.masters), f"{sizing.WORKERS_OF_A_MASTER:,} workers each: one of 1,279 had its core to the full (Locust's issue 3142)"),
        ("requests under way", lambda one: number(one.under_way), f"rate x {work.seconds * 1000:.0f} ms, measured (Little's law)"),
        ("connections", lambda one: number(one.connections), f"that + {sizing.SCATTER} standard deviations of a Poisson number; one is kept for each request at once"),
        ("source addresses", lambda one: number(one.addresses), f"a machine has one; connections / {sizing.PORTS:,} ports (Linux: `ip_local_port_range`) to one address of the edge"),
        ("… without keep-alive", lambda one: number(one.addresses_unkept), f"rate x {sizing.TIME_WAIT_SECONDS} s in TIME_WAIT (Linux) / {sizing.PORTS:,}"),
        ("open files of a process", lambda one: number(one.files_of_a_process), f"{sizing.IN_FLIGHT:,} under way, after which `OpenModelUser` drops arrivals and says so, + {SPARE}"),
        ("network, towards the stack (Gbit/s)", lambda one: gigabits(one.sent), f"rate x ({work.request} bytes, as the edge logs them, + 2 packets x {sizing.FRAME_BYTES} of Ethernet, IP and TCP)"),
        ("network, back (Gbit/s)", lambda one: gigabits(one.received), f"rate x ({work.answer} bytes, likewise, + {sizing.FRAME_BYTES})"),
        ("packets a second", lambda one: number(one.packets), "request, answer, acknowledgement"),
        ("memory", lambda one: size(one.memory), f"{size(sizing.PROCESS_BYTES)} a process, {size(sizing.REQUEST_BYTES)} a request under way, [measured](#what-a-request-costs)"),
        ("… of `--samples`, each minute", lambda one: size(one.samples), f"rate x 60 s x {sizing.SAMPLE_BYTES} bytes, all of it at the master"),
    )  # fmt: skip


def of_stack(work: Work) -> Rows:
    ms = {role: f"{getattr(work, role) * 1000:.2f} ms" for role in ("edge", "app", "database")}
    rows: Rows = (
        ("nginx: cores", lambda one: number(one.edge_cores), f"rate x {ms['edge']} / {sizing.BUSY:.0%}"),
        ("nginx: workers", lambda one: number(one.edge_workers), f"one a core, and no fewer than 2 x connections / {sizing.CONNECTIONS:,} (`worker_connections` of this edge)"),
        ("… connections of each", lambda one: number(one.connections_of_a_worker), "2 x connections / workers: one to the client, one to a replica"),
        ("application: processes", lambda one: number(one.app_processes), f"rate x {ms['app']} / {sizing.BUSY:.0%}; each has one core at most, as an event loop or by the interpreter's lock"),
        ("… connections of each", lambda one: number(one.connections_of_an_app), f"under way / processes, + {sizing.SCATTER} standard deviations; the edge has {sizing.PORTS:,} ports to each replica"),
    )  # fmt: skip
    if not work.asks:
        return rows
    return (
        *rows,
        ("PostgreSQL: cores", lambda one: number(one.database_cores), f"rate x {ms['database']} / {sizing.BUSY:.0%}"),
        ("… connections in use", lambda one: number(one.database_busy), "as the connections above: at most one for each request"),
        ("… connections that it must take", lambda one: number(one.database_connections), f"2 x processes x ({sizing.POOL} + {sizing.LISTENER}) + {sizing.RESERVED}: pools and listeners, twice during a release. Here `max_connections` is {sizing.MAX_CONNECTIONS}"),
    )  # fmt: skip


CROWD: Rows = (
    ("generator: processes", lambda one: number(one.processes), f"{FILES:,} open files each, which the machine has to allow"),
    ("generator: source addresses", lambda one: number(one.addresses), f"{sizing.PORTS:,} ports each"),
    ("generator: memory", lambda one: size(one.generator_memory), "{generator} KiB each, with the driver of `make websockets`"),
    ("nginx: workers", lambda one: number(one.edge_workers), f"2 connections each, {sizing.CONNECTIONS:,} a worker"),
    ("nginx: memory", lambda one: size(one.edge_memory), "{edge} KiB each"),
    ("replicas", lambda one: number(one.replicas), f"at least: the edge has {sizing.PORTS:,} ports to each"),
    ("replicas: memory", lambda one: size(one.app_memory), "{app} KiB each, all together"),
)  # fmt: skip


PAGE = """# Sizing a session

How many machines make a load, and how many stand under it? The arithmetic is a program (`loadtests/measure/sizing.py`), its tables
stand here, and beside each number its reckoning. (!) It multiplies what was measured on two cores at {least:g} to {rate:g} requests/s: it says
the order of magnitude to begin with. Nothing here was measured at these rates; grow step by step and let the [verdict](load-testing.md#what-makes-a-measurement-valid)
say whether a step counts. Where more cores are asked for than a machine has there are several edges, and what shares the clients out
among them (DNS, a balancer) is no part of this stack.

## What a request costs

| | generator CPU (ms) | nginx CPU (ms) | application CPU (ms) | PostgreSQL CPU (ms) | time (ms) | measured by |
| --- | ---: | ---: | ---: | ---: | ---: | --- |
{costs}

Medians of FastAPI in the runs that [Choosing](choosing.md#where) names, their verdict among them: *{verdict}*, which is the reason not to read
more than one digit. The generator's cost (`cost.generator` of a point in `run.json`) is that of its own rate,
{generator_rate:g} requests/s from one process, over all services ({generator}); it falls when a process sends more, since each turn of its event loop then serves several, so the tables
ask for more processes than you may need. The others are taken as they are. Memory of a generator (`make bench` prints both): a
process with nothing to do, and what 1,700 requests under way add. Kernel memory of sockets comes on top everywhere.

With figures of your own: `.run/venv/bin/python -m loadtests.report.sizing RUN` prints these tables for a run that `make load` has stored.

## Short requests

Five queries of one row, `GET /query?n=5`.

{query_generators}

What has to stand under them:

{query_stack}

PostgreSQL ends it first. Beyond {fits:,} requests/s its connections do not fit, and `make scale` refuses so many replicas: raise
`max_connections`, or lower `DATABASE_POOL`. A pooler between was not tried: each process listens on a session of its own.

## Slow requests

`GET /wait?ms={delay}`: the CPU of a short request and {delay} ms of somebody else's time. Cores are those of any short request; what grows is
what waits.

{slow_generators}

What has to stand under them:

{slow_stack}

## WebSockets that are held

Beside the requests, and in memory rather than CPU: connections that are open and say nothing. What they say is CPU, as on
[Choosing](choosing.md#websockets-and-event-streams).

{crowd}

## Several machines

The locustfiles are the same everywhere; only the words around them differ.

```console
master$  locust -f loadtests/locustfile.py --master --expect-workers 14 --headless -u 14 --rate 700 -t 10m --host http://EDGE:8080
machine$ locust -f loadtests/locustfile.py --worker --master-host MASTER --processes 7     # on each of two
```

- An open-model user is a source of its own: as many users as workers (`-u`), and `--rate` for each. Here 14 x 700 = 9,800 arrivals a second.
- (!) Locust's master has no password: 5557 is for the workers alone, 8089, its page, for you. A firewall, or a tunnel.
- The same checkout and lock file (`loadtests/requirements.txt`) on every machine; clocks need no agreement, each process times its own requests.
- In containers: `docker compose --profile loadtest up --build --scale locust-worker=7`, on the machine of the stack, so for small loads only.
- On a cluster: the image of `loadtests/Dockerfile` and the same words, on nodes of their own, since a generator that shares one with a
  replica measures both: [`deploy/swarm/loadtest.yaml`](../deploy/swarm/loadtest.yaml) beside [a Swarm](../deploy/swarm/README.md), the overlay
  `loadtest` [on Kubernetes](../deploy/kubernetes/README.md).

Before: `ulimit -n` for the open files above, `sysctl net.ipv4.ip_local_port_range="1024 65535"` more than doubles the ports, and `net.core.somaxconn` on
the edge is how many may knock at once. A limit of the edge on one client (`RATE_LIMIT`, `CONNECTION_LIMIT`; off locally) takes a machine of
generators for one client: `LIMIT_EXEMPT` names it.

## What to watch

| where | what | why |
| --- | --- | --- |
| each generator | `top -H`: CPU of each process below {busy:.0%}, run queue, steal | Locust warns above 90 % and looks every 10 s; a neighbour that takes the CPU it does not see |
| each generator | `ss -s`, `nstat -az TcpExtTCPTimeouts TcpRetransSegs` | ports that run out are failures of the generator, retransmissions those of the network |
| the master | its CPU, and what it says: a worker that joined late, is lost or is back | the load was smaller meanwhile; it ends with 1 |
| the edge | `make logs SERVICE=nginx` for "worker_connections are not enough"; its request times beside the client's | the same request is timed twice, by its id |
| the network | the interface's packets a second, not its bits only | a million small answers are 3 million packets |
| PostgreSQL | `select count(*) from pg_stat_activity` | a pool that is full is a queue |

## When a generator lies

`make load`, on one machine, judges each run by these figures. Over several machines nobody does it for you: ask each generator.

| figure | suspect above | invalid above | it means |
| --- | ---: | ---: | --- |
{limits}

And between the machines: all send at the same rate, so the counts of two workers differ by chance alone (three square roots of the count), and
so do their percentiles. One that is beside the others measures itself: take it out, and repeat. When all agree and the edge's own
`request_time` does not, all of them lie. Double the generators at the same rate: where latency falls, it was theirs.
"""


# ------------------------------------------------------------------------------------ what is measured


def work(figures: Figures, generator: float, sizes: tuple[int, int], asks: bool) -> Work:
    """Of one service. Figures are in milliseconds."""
    edge, app, database, seconds = (median(figures[name]) / 1000 for name in ("edge", "app", "database", "p50"))
    return Work(generator, edge, app, database, seconds, *sizes, asks)


def generators(figures: Figures) -> list[float]:
    """CPU seconds of every repetition of every service."""
    return [each / 1000 for mine in figures.values() for each in mine["generator"]]


def works(found: Mapping[str, Any]) -> dict[str, Work]:
    """The generator's cost is that of the highest rate, the nearest to one that works."""
    generator = median(generators(found["slow"]["figures"]))
    return {
        name: work(found[name]["figures"][SERVICE], generator, sizes, name == "query") for name, sizes in BYTES.items()
    }


# ------------------------------------------------------------------------------------ what is said


def tables(one: Work) -> tuple[str, str]:
    """(generators, stack)"""
    sessions = [Session(rate, one) for rate in RATES]
    columns = [f"{rate:,}/s" for rate in RATES]
    return filled(of_generators(one), columns, sessions), filled(of_stack(one), columns, sessions)


def filled(rows: Rows, columns: Sequence[str], sessions: Sequence[Any]) -> str:
    """Reckonings come last, so that a number is found at once."""
    cells = [(what, *(how(each) for each in sessions), why) for what, how, why in rows]
    return table(("", *columns, "by"), cells, words=1, last=1)


def crowd(each: Mapping[str, float]) -> str:
    one = {role: kibibytes * 2**10 for role, kibibytes in each.items()}
    crowds = [Crowd(sockets, one["generator"], one["edge"], one["app"], FILES) for sockets in RATES]
    rows = [(what, how, why.format(**each)) for what, how, why in CROWD]
    return filled(rows, [f"{sockets:,}" for sockets in RATES], crowds)


def of_costs(named: Mapping[str, tuple[Work, str]]) -> str:
    return "\n".join(
        f"| {name} | {one.generator * 1000:.2f} | {one.edge * 1000:.2f} | {one.app * 1000:.2f} | {one.database * 1000:.2f} "
        f"| {one.seconds * 1000:.0f} | `{command}` |"
        for name, (one, command) in named.items()
    )


def limits() -> str:
    return "\n".join(
        f"| {each.name} | {each.shown(each.suspect)} | {each.shown(each.invalid)} | {each.meaning} |" for each in LIMITS
    )


def fits(one: Work) -> int:
    """The highest rate, in thousands, whose connections PostgreSQL takes as it is."""
    rates = range(1000, 1_000_000, 1000)
    return max(rate for rate in rates if Session(rate, one).database_connections <= sizing.MAX_CONNECTIONS)


def page(found: Mapping[str, Any]) -> str:
    measured = works(found)
    used = generators(found["slow"]["figures"])
    rates = [found[name]["figures"][SERVICE]["rate"] for name in BYTES]
    (query_generators, query_stack), (slow_generators, slow_stack) = (tables(measured[name]) for name in BYTES)
    return PAGE.format(
        costs=of_costs({what: (measured[name], found[name]["command"])
                        for name, what in (("query", "five queries"), ("slow", f"{DELAY} ms of waiting"))}),
        least=min(rates), rate=max(rates), generator_rate=found["slow"]["figures"][SERVICE]["rate"],
        generator=f"{min(used) * 1000:.2f} … {max(used) * 1000:.2f} ms", verdict=found["slow"]["verdict"]["word"],
        query_generators=query_generators, query_stack=query_stack, slow_generators=slow_generators, slow_stack=slow_stack,
        fits=fits(measured["query"]), delay=DELAY, crowd=crowd(found["sockets"]["figures"]["KiB"]), busy=sizing.BUSY,
        limits=limits(),
    )  # fmt: skip


def of_a_run(name: str) -> str:
    """The tables of each service of a run; its answers are taken for as large as those of the page."""
    run = Runs(REPORTS).load(name)
    if run["experiment"] != "load":
        raise Refused(f"{name} is a run of make {run['experiment']}; choose one of make load")
    usable(run)
    figures = costs(run)
    found = []
    for service, mine in figures.items():
        one = work(mine, median(mine["generator"]) / 1000, BYTES["query"], asks=True)
        found += [f"## {service}, measured at {mine['rate']:g} requests/s", *tables(one)]
    return "\n\n".join(found)


def main(given: Sequence[str]) -> int:
    try:
        if given:
            print(of_a_run(given[0]))
        else:
            DOCUMENT.write_text(page(whole(kept())))
    except (NotARun, Refused) as error:
        print(f"ponte: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
