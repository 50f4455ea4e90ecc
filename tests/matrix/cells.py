"""One cell of the matrix: a pair brought up, asked everything, stopped, and judged."""

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from pathlib import Path
from typing import Any

from tests.contract import APPLICATIONS
from tests.matrix.boot import Failed, up
from tests.matrix.cost import cost
from tests.matrix.findings import ABSENT, FAIL, PASS, Check, judge, worst
from tests.matrix.plan import Pair
from tests.matrix.reasons import REASONS
from tests.matrix.sockets import websockets
from tests.matrix.stop import stop
from tests.matrix.suite import contract

# In this order: the last one ends the pair.
CHECKS: Mapping[str, Check] = {"contract": contract, "websockets": websockets, "cost": cost, "stop": stop}


@dataclass
class Cell:
    server: str
    framework: str
    interface: str
    word: str = PASS
    seconds: float = 0.0
    checks: dict[str, str] = field(default_factory=dict)  # name -> word
    reasons: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return f"{self.server} x {self.framework}"


def measured(pair: Pair, nginx: Path, checks: Mapping[str, Check] = CHECKS) -> Cell:
    """Whatever the pair does, it is a cell."""
    cell = Cell(pair.server, pair.framework, pair.interface, versions=versions(pair))
    began = time.monotonic()
    try:
        with up(pair, nginx) as running:
            for name, check in checks.items():
                add(cell, name, pair, check, running)
    except Failed as error:
        refuse(cell, pair, str(error))
    cell.word = worst([cell.word, *cell.checks.values()])
    cell.seconds = round(time.monotonic() - began, 1)
    return cell


def add(cell: Cell, name: str, pair: Pair, check: Check, running: Any) -> None:
    try:
        found = check(running)
    except (AssertionError, OSError, ValueError) as error:  # the pair has gone, or says what is no HTTP
        cell.checks[name] = FAIL
        cell.faults.append(f"{name}: it broke off: {type(error).__name__} {error}"[:300])
        return
    if not found.asked:
        return
    judged = judge(pair, found, REASONS[name])
    cell.checks[name] = judged.word
    cell.reasons += [each for each in judged.reasons if each not in cell.reasons]
    cell.faults += [f"{name}: {each}" for each in judged.faults]
    cell.figures |= found.figures


def refuse(cell: Cell, pair: Pair, sentence: str) -> None:
    """What needs a program from outside of pip may be absent; everything else has to be there."""
    excused = pair.fits and not pair.about["installed"] and pair.about["program"]
    cell.word = ABSENT if excused else FAIL
    (cell.reasons if excused else cell.faults).append(sentence)


def versions(pair: Pair) -> dict[str, str]:
    modules = {pair.server: pair.about["module"], pair.framework: APPLICATIONS[pair.framework].framework.lower()}
    return {name: found for name, module in modules.items() if (found := installed(module))}


def installed(module: str) -> str:
    for name in packages_distributions().get(module, [module]):
        try:
            return version(name)
        except PackageNotFoundError:
            continue
    return ""


def as_dict(cell: Cell) -> dict[str, Any]:
    return asdict(cell)
