"""docs/servers.md, rendered from a matrix; `python -m tests.matrix.document RUN` prints it for one of reports/."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from statistics import median

from loadtests.experiments.operations import OPERATIONS
from loadtests.report import markdown, say
from loadtests.report.runs import REPORTS, NotARun, Runs
from tests.contract import APPLICATIONS, ROOT
from tests.matrix import store
from tests.matrix.cells import Cell
from tests.matrix.findings import Reason, worst
from tests.matrix.page import conclusion, of_sentences, servers, versions
from tests.matrix.plan import SERVERS
from tests.matrix.ratios import ratios
from tests.matrix.reasons import CONTRACT, STACK

NONE = "-"
DOCUMENT, LOST = ROOT / "docs" / "servers.md", ROOT / "docs" / "lost-requests.md"
OF_SERVERS = (
    "server",
    "version",
    "WSGI",
    "ASGI",
    "HTTP/1.1",
    "HTTP/2",
    "HTTP/3",
    "WebSocket",
    "graceful stop",
    "lost requests",
    "CPU a request",
    "memory",
)
BOUNDED = {name for name, each in OPERATIONS.items() if each.bounded}
OF_REASONS = ("server", "frameworks", "what differs")
OF_FRAMEWORKS = ("framework", "version", "interface", "pairs", "worst")
PAGE = """# Servers and frameworks

Every server of the [table](../README.md#servers) under every framework of its interface, tried: one replica of one worker
behind a real nginx, asked the core of the contract, RFC 6455 case by case with and without the edge, and to stop while
a request, a kept connection, an event stream and a WebSocket were open.

{conclusion}

{servers}

A word is the worst of the pairs: *pass*, *differs* (for a reason that was looked into, below), *fail*, *absent* (not installed).
CPU and memory are medians over the frameworks at 200 requests/s, as ratios to the default server under the same framework
in the same run: read them to a tenth. Lost requests are counted under load while a service of two replicas is scaled, released,
rolled back, restarted, ...: [every operation](lost-requests.md) but a SIGKILL, which has bounds of its own.

{frameworks}

Tornado is a server here and no framework, since as one it fits neither interface: its `WSGIContainer` serves WSGI applications, "the
reverse is not supported" (`tornado/wsgi.py` of 6.6.1), and nothing in the package speaks ASGI.

## What differs, and why

{reasons}

{in_the_stack}

## What is said elsewhere, and is not so

- *ASGI is a PEP, as WSGI is.* WSGI is PEP 3333. ASGI comes from no PEP: its specification is kept beside asgiref, in Django's
  organisation.
- *Gunicorn is for WSGI.* It has a worker for ASGI since 24.0 and speaks HTTP/2 since 25.0 (its release notes call both beta), over
  TLS, or in clear with a setting that is off here.
- *Flask runs under Uvicorn.* It is WSGI alone: there is an adapter between, here `uvicorn-a2wsgi`, and each request has a thread
  all the same.
- *Uvicorn has no HTTP/2.* It had none for long; 0.54 has it with `--http zttp`, a parser that is not used here.
- *HTTP/3 is there by now.* Of these servers Hypercorn alone speaks it, with the package aioquic, which is not installed here. The edge
  speaks it (`HTTP3=1`), and to every server HTTP/1.1, or HTTP/2 to those that take it, where that is [turned
  on](edge.md#http2-to-an-application).

Made by `./ponte matrix` on {started} in {seconds}; a whole `make matrix` writes this page anew.
"""

IN_THE_STACK = """## In the whole stack

Every server that a stack may choose also takes the place of a service's own there, with the database, two replicas and the edge, and
answers the contract suite of `tests/stack/`: messages and sockets across the applications, jobs, sessions, uploads, logs,
counters, a stop and a kill under load. `make test SERVER=granian` asks one of them, `make test TIER=full
T=tests/stack/test_replacements.py` all, each under one framework (mod_wsgi, which refuses root, where an ordinary user does).
A test that a server cannot pass has to fail, for a reason above or for one of these:

{reasons}"""


def page(matrix: store.Matrix, lost: Mapping[str, str]) -> str:
    """`lost`: by server, as losses() reads them."""
    cells = matrix.cells
    return PAGE.format(
        conclusion=conclusion(cells, matrix.planned),
        servers=grid([OF_SERVERS, *(server(name, cells, lost.get(name, NONE)) for name in servers(cells))]),
        frameworks=grid(
            [OF_FRAMEWORKS, *(framework(name, cells) for name in APPLICATIONS if of(cells, framework=name))]
        ),
        in_the_stack=in_the_stack(),
        reasons=grid([OF_REASONS, *of_sentences("", cells, "reasons")["rows"]]),
        started=say.moment(matrix.started),
        seconds=say.duration(matrix.seconds),
    )


def in_the_stack() -> str:
    """Not measured with a matrix: what the tests of the whole stack hold the servers to."""
    rows = said(STACK) - said(CONTRACT)
    return IN_THE_STACK.format(reasons=grid([("server", "what differs"), *sorted(rows)]))


def said(reasons: Iterable[Reason]) -> set[tuple[str, str]]:
    return {(server, each.why) for each in reasons for server in each.servers}


def server(name: str, cells: Sequence[Cell], lost: str) -> list[str]:
    mine, about = of(cells, server=name), SERVERS[name]
    return [
        f"`{name}`", versions(mine).get(name) or NONE,
        *(word(each.word for each in mine if each.interface == interface) for interface in ("wsgi", "asgi")),
        *("yes" if protocol in about["protocols"] else NONE for protocol in ("HTTP/1.1", "HTTP/2", "HTTP/3")),
        *(word(each.checks[check] for each in mine if check in each.checks) for check in ("websockets", "stop")),
        lost,
        *(beside(cells, mine, cost) for cost in ("cpu", "memory")),
    ]  # fmt: skip


def losses(page: str) -> dict[str, str]:
    """Server -> how many of how many, from docs/lost-requests.md, where one of both interfaces has a line for each."""
    found: dict[str, list[int]] = {}
    for row in markdown.read(page, "server"):
        if row["operation"] not in BOUNDED:
            total = found.setdefault(row["server"].partition(" (")[0], [0, 0])
            total[0] += int(row["lost GET"]) + int(row["lost POST"])
            total[1] += int(row["requests"].replace(",", ""))
    return {server: f"{lost} of {sent:,}" for server, (lost, sent) in found.items() if sent}


def framework(name: str, cells: Sequence[Cell]) -> list[str]:
    mine = of(cells, framework=name)
    words = [each.word for each in mine]
    return [f"`{name}`", versions(mine).get(name) or NONE, mine[0].interface.upper(), str(len(mine)), word(words)]


def of(cells: Sequence[Cell], **wanted: str) -> list[Cell]:
    return [each for each in cells if all(getattr(each, name) == value for name, value in wanted.items())]


def word(words: Iterable[str]) -> str:
    found = list(words)
    return worst(found) if found else NONE


def beside(cells: Sequence[Cell], mine: Sequence[Cell], cost: str) -> str:
    every = ratios(cells)
    found = [every[each.name][cost] for each in mine if each.name in every]
    return f"{median(found):.2f}" if found else NONE


def grid(rows: Sequence[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([lines[0], "|" + "---|" * len(rows[0]), *lines[1:]])


def main(given: Sequence[str]) -> int:
    try:
        folder = Runs(REPORTS).where(given[0] if given else "")
        found = next((each for each in store.stored(folder.parent) if each.folder == folder), None)
    except NotARun as error:
        print(f"ponte: {error}", file=sys.stderr)
        return 2
    if not found:
        print(f"ponte: {folder.name} is no matrix", file=sys.stderr)
        return 2
    print(page(found, losses(LOST.read_text())), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
