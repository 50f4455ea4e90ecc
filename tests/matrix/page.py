"""The matrix as a run among the others: tables of words, of reasons and of costs, for index.html."""

from collections.abc import Iterable, Sequence
from typing import Any

from loadtests.experiments import environment
from loadtests.measure import validity
from loadtests.report import parts, say
from tests.contract import APPLICATIONS
from tests.matrix.cells import Cell
from tests.matrix.findings import ABSENT, DIFFERS, FAIL, PASS
from tests.matrix.plan import INTERFACES, SERVERS
from tests.matrix.ratios import ratios
from tests.matrix.store import FORMAT, NAME, Matrix

TITLE = "Servers and frameworks"
NONE = ""  # shown as a dash: no pair, or not asked for
SHOWN = 12  # faults of a cell
NOTES = (
    "pass: everything as promised. differs: not, for a reason that was looked into. fail: not, for none. absent: not installed.",
    "Every pair is one replica of one worker, started by the launcher behind a real nginx. It was asked the core of the contract, "
    "RFC 6455 case by case with and without the edge, and to stop while a request, a kept connection, an event stream and a "
    "WebSocket were open.",
    "Costs are one run at an equal rate, as ratios to the interface's default server under the same framework, where that was "
    "measured in the same run: read them to a tenth.",
)


def as_run(matrix: Matrix, command: str, interrupted: bool) -> dict[str, Any]:
    cells = matrix.cells
    reasons = doubts(cells, interrupted)
    return {
        "format": FORMAT, "id": matrix.folder.name, "experiment": NAME, "title": TITLE, "started": matrix.started,
        "seconds": matrix.seconds, "quick": matrix.words.quick, "interrupted": interrupted, "command": command,
        "config": {"pairs": len(matrix.planned), "measured": len(cells)},
        "environment": {"host": environment.host(), "versions": versions(cells), "commit": environment.commit()},
        "conclusion": conclusion(cells, matrix.planned), "notes": [*NOTES],
        "verdict": {"word": validity.SUSPECT if reasons else validity.VALID, "reasons": reasons},
        "figures": {"ratios": ratios(cells)}, "tables": tables(cells), "plots": [], "points": [], "validity": [],
    }  # fmt: skip


def conclusion(cells: Sequence[Cell], planned: Sequence[str]) -> str:
    counts = {word: sum(each.word == word for each in cells) for word in (PASS, DIFFERS, FAIL, ABSENT)}
    said = f"{counts[PASS]} of {counted(len(planned))} kept every promise"
    said += f", {counts[DIFFERS]} differed for a verified reason" if counts[DIFFERS] else ""
    said += f", {counts[ABSENT]} had a server that is not installed" if counts[ABSENT] else ""
    red = [each for each in cells if each.word == FAIL]
    if red:
        more = f" (and {len(red) - 1} more)" if len(red) > 1 else ""
        said += f"; red is {red[0].name}{more}: {red[0].faults[0]}"
    left = len(planned) - len(cells)
    return f"{said}{f'; {left} were not measured' if left > 0 else ''}."


def counted(pairs: int) -> str:
    return f"{pairs} pair{'s' if pairs != 1 else ''}"


def doubts(cells: Sequence[Cell], interrupted: bool) -> list[str]:
    """Why a figure may be the machine's."""
    slow = [each.name for each in cells if each.figures.get("equal_rate") is False]
    said = {
        "it was interrupted": interrupted,
        f"the rate was not equal for {', '.join(slow[:3])}: the machine was busy": bool(slow),
    }
    return [sentence for sentence, true in said.items() if true]


def tables(cells: Sequence[Cell]) -> list[parts.Part]:
    found = [of_words(cells, interface) for interface in INTERFACES]
    found += [of_sentences("What is red", cells, "faults"), of_sentences("What differs, and why", cells, "reasons")]
    found += [of_costs(cells, interface) for interface in INTERFACES]
    return [each for each in found if each["rows"]]


def of_words(cells: Sequence[Cell], interface: str) -> parts.Part:
    """Servers down, frameworks across."""
    mine = [each for each in cells if each.interface == interface]
    names = [name for name in APPLICATIONS if any(each.framework == name for each in mine)]
    rows = [[server, *(word(mine, server, name) for name in names)] for server in servers(mine)]
    return parts.table(f"{interface.upper()}: does it keep its promises?", ["server", *names], rows)


def word(cells: Iterable[Cell], server: str, framework: str) -> str:
    return next((each.word for each in cells if (each.server, each.framework) == (server, framework)), NONE)


def of_sentences(title: str, cells: Sequence[Cell], what: str) -> parts.Part:
    """One line for each sentence, with the pairs it is said of."""
    said: dict[tuple[str, str], list[str]] = {}
    for cell in cells:
        for sentence in getattr(cell, what)[:SHOWN]:
            said.setdefault((cell.server, sentence), []).append(cell.framework)
    rows = [(server, ", ".join(names), sentence) for (server, sentence), names in said.items()]
    return parts.table(title, ("server", "frameworks", "what"), rows)


def of_costs(cells: Sequence[Cell], interface: str) -> parts.Part:
    mine = [each for each in cells if each.interface == interface and "cpu_us" in each.figures]
    shares = ratios(mine)
    columns = ("server", "framework", "CPU a request", "ratio", "memory", "ratio", "stopped in", "took")
    return parts.table(f"{interface.upper()}: what does it cost?", columns, [cost(each, shares) for each in mine])


def cost(cell: Cell, shares: dict[str, dict[str, float]]) -> list[str]:
    figures, share = cell.figures, shares.get(cell.name, {})
    return [
        cell.server, cell.framework, f"{figures['cpu_us']} µs", ratio(share.get("cpu")), say.size(figures["memory"]),
        ratio(share.get("memory")), f"{figures['stop_seconds']:.1f} s" if "stop_seconds" in figures else NONE,
        f"{cell.seconds:.0f} s",
    ]  # fmt: skip


def ratio(value: float | None) -> str:
    return NONE if value is None else f"{value:.2f}"


def servers(cells: Sequence[Cell]) -> list[str]:
    return [name for name in SERVERS if any(each.server == name for each in cells)]


def versions(cells: Sequence[Cell]) -> dict[str, str]:
    return {name: number for each in cells for name, number in each.versions.items()}
