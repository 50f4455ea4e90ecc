"""`python -m tests.matrix SERVER= FRAMEWORK= QUICK=`: what `./ponte matrix` calls.

Brings up each pair of a server and a framework behind a real nginx, one after the other, and says what it keeps of the
contract. Every finished pair is on disk at once; an interrupted matrix is continued by the next call with the same words.
"""

import os
import signal
import sys
import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from shutil import rmtree, which
from typing import NoReturn

from deploy import edge, environment
from deploy.errors import Failure
from loadtests.errors import Stop
from loadtests.experiments.progress import progress, say
from loadtests.report import disk
from loadtests.report.disk import Unwritable
from loadtests.report.runs import REPORTS, Runs
from tests.contract import ROOT
from tests.matrix import document, page, store
from tests.matrix.cells import Cell, measured
from tests.matrix.findings import FAIL
from tests.matrix.plan import SERVERS, Pair, Words, pairs, parse

PAIR_SECONDS = 12  # measured on two cores
INTERRUPTED = 130


def main(given: Sequence[str]) -> int:
    signal.signal(signal.SIGTERM, interrupt)
    signal.signal(signal.SIGINT, interrupt)  # also where a shell has its background jobs ignore it
    try:
        return conduct(given)
    except (Stop, Failure) as error:
        print(f"ponte: {error}", file=sys.stderr)
        return error.code
    except KeyboardInterrupt:
        print("ponte: interrupted", file=sys.stderr)
        return INTERRUPTED
    except (Unwritable, OSError) as error:
        print(f"ponte: {error}", file=sys.stderr)
        return 3


def interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt


def conduct(given: Sequence[str]) -> int:
    words = parse(given)
    planned, nginx = pairs(words), edge.locate(os.environ)
    matrix = store.begin(REPORTS, words, planned, datetime.now(UTC))
    left = matrix.left(planned)
    again = f", {len(matrix.cells)} of them measured already" if matrix.cells else ""
    say(f"{page.TITLE}: {page.counted(len(planned))}{again}; about {minutes(len(left))} min")
    matrix.save()
    equip({each.server for each in left})
    interrupted = False
    try:
        each_of(left, matrix, nginx)
    except KeyboardInterrupt:
        interrupted = True
    if interrupted and not matrix.cells:
        rmtree(matrix.folder, ignore_errors=True)
        raise Stop("interrupted before anything was measured", INTERRUPTED)
    matrix.finished = not interrupted
    matrix.save()
    command = " ".join(["./ponte", "matrix", *given])
    run = page.as_run(matrix, command, interrupted)
    Runs(REPORTS).save(matrix.folder, run)
    print(run["conclusion"])
    print(f"report: {os.path.relpath(matrix.folder / 'index.html', Path.cwd())}")
    if matrix.finished and words == Words():
        disk.replace(document.DOCUMENT, document.page(matrix, document.losses(document.LOST.read_text())))
        print(f"page: {os.path.relpath(document.DOCUMENT, Path.cwd())}")
    if interrupted:
        print(f"interrupted; {command} goes on from here", file=sys.stderr)
        return INTERRUPTED
    return int(any(each.word == FAIL for each in matrix.cells))


def equip(servers: Iterable[str]) -> None:
    """Those that are compiled, where what they need is there. mod_wsgi, the only one, does not run as root."""
    for about in map(SERVERS.__getitem__, servers):
        if not about["installed"] and about["program"] and os.geteuid() and which(about["program"][0]):
            try:
                environment.need(ROOT, about["packages"])
                about["installed"] = True
            except Failure as error:  # its cells say that it is not installed
                say(f"  {error}")


def minutes(count: int) -> int:
    return -(-count * PAIR_SECONDS // 60)


def each_of(left: Sequence[Pair], matrix: store.Matrix, nginx: Path) -> None:
    with progress(page.TITLE, len(left)) as shown:
        for number, pair in enumerate(left):
            shown.at(number)
            shown.told(pair.name)
            began = time.monotonic()
            cell = measured(pair, nginx)
            matrix.cells.append(cell)
            matrix.seconds += time.monotonic() - began
            matrix.save()
            say(told(cell))
        shown.at(len(left))


def told(cell: Cell) -> str:
    why = (cell.faults or cell.reasons or [""])[0]
    return f"  {cell.name}: {cell.word} ({cell.seconds:.0f} s){f': {why}' if why else ''}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
