"""What reports are made of: tables and plots, as run.json holds them."""

from collections.abc import Iterable, Sequence
from typing import Any

Part = dict[str, Any]


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]], note: str = "") -> Part:
    """Cells are strings, ready to print."""
    return {"title": title, "columns": list(columns), "rows": [list(row) for row in rows], "note": note}


def plot(
    title: str, x: str, y: str, series: Sequence[Part], log: str = "", note: str = "", marks: Sequence[Part] = ()
) -> Part:
    """`log` names the axes that are logarithmic: "", "x", "y" or "xy"."""
    axes = {name: {"label": label, "scale": "log" if name in log else "linear"} for name, label in (("x", x), ("y", y))}
    return {"title": title, "note": note, **axes, "series": list(series), "marks": list(marks)}


def series(label: str, x: Sequence[float], y: Sequence[float], style: str = "line", low: Sequence[float] | None = None,
           high: Sequence[float] | None = None) -> Part:  # fmt: skip
    """`style` is line, points, step or dashed; `low` and `high` are the limits of an interval around each y."""
    return {"label": label, "x": list(x), "y": list(y), "low": low, "high": high, "style": style}


def mark(axis: str, at: float, label: str) -> Part:
    return {"axis": axis, "at": at, "label": label}
