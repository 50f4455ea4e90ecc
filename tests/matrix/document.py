"""`python -m tests.matrix.document RUN`: a matrix of reports/ as Markdown, for a page of docs/."""

import sys
from collections.abc import Iterable, Sequence
from statistics import median

from loadtests.report import say
from loadtests.report.runs import REPORTS, NotARun, Runs
from tests.contract import APPLICATIONS
from tests.matrix import store
from tests.matrix.cells import Cell
from tests.matrix.findings import worst
from tests.matrix.page import servers, versions
from tests.matrix.plan import SERVERS
from tests.matrix.ratios import ratios

NONE = "-"
OF_SERVERS = (
    "server",
    "version",
    "WSGI",
    "ASGI",
    "HTTP/1.1",
    "HTTP/2",
    "WebSocket",
    "graceful stop",
    "CPU a request",
    "memory",
)
OF_FRAMEWORKS = ("framework", "version", "interface", "pairs", "worst")
NOTE = """A word is the worst of the pairs: *pass*, *differs* (for a reason that was looked into), *fail*, *absent*. CPU and memory are
medians over the frameworks, as ratios to the default server under the same framework: `make matrix` on {started}."""


def page(matrix: store.Matrix) -> str:
    cells = matrix.cells
    of_servers = [OF_SERVERS, *(server(name, cells) for name in servers(cells))]
    of_frameworks = [OF_FRAMEWORKS, *(framework(name, cells) for name in APPLICATIONS if of(cells, framework=name))]
    note = NOTE.format(started=say.moment(matrix.started))
    return "\n\n".join([grid(of_servers), note, grid(of_frameworks)]) + "\n"


def server(name: str, cells: Sequence[Cell]) -> list[str]:
    mine, about = of(cells, server=name), SERVERS[name]
    return [
        f"`{name}`", versions(mine).get(name) or NONE,
        *(word(each.word for each in mine if each.interface == interface) for interface in ("wsgi", "asgi")),
        *("yes" if protocol in about["protocols"] else NONE for protocol in ("HTTP/1.1", "HTTP/2")),
        *(word(each.checks[check] for each in mine if check in each.checks) for check in ("websockets", "stop")),
        *(beside(cells, mine, cost) for cost in ("cpu", "memory")),
    ]  # fmt: skip


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
    print(page(found), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
