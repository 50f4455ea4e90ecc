"""What a pair costs beside the default server of its interface, under the same framework and in the same run."""

from collections.abc import Sequence

from tests.contract import APPLICATIONS
from tests.matrix.cells import Cell

COSTS = {"cpu": "cpu_us", "memory": "memory"}


def ratios(cells: Sequence[Cell]) -> dict[str, dict[str, float]]:
    """Pair -> cost -> ratio; without a default server beside it a pair has none."""
    measured = {(each.server, each.framework): each for each in cells if each.figures.get("cpu_us")}
    found = {}
    for cell in measured.values():
        default = measured.get((APPLICATIONS[cell.framework].server, cell.framework))
        if default:
            found[cell.name] = {name: beside(cell, default, figure) for name, figure in COSTS.items()}
    return found


def beside(cell: Cell, default: Cell, figure: str) -> float:
    return round(cell.figures[figure] / default.figures[figure], 3)
