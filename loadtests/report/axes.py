"""Scales, ticks and marks of a plot: honest zeros, plain numbers, labels that keep off the data."""

from math import isfinite, log10
from typing import TYPE_CHECKING, Any

from loadtests.report.svg import INK

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis

Points = list[tuple[float, float]]
LABEL_ROW = 0.075  # of the axes' height
LABEL_WIDTH = 0.35  # of the axes' width
MIDDLE = 0.6  # further right, a label stands left of its line
NAMED_VALUES = 7  # on a logarithmic axis, so many different values are its ticks: 1, 2, 4, 8 workers


def scale(axes: "Axes", logarithmic: tuple[bool, bool], points: Points) -> None:
    """Plain numbers, no powers of ten; linear heights start at zero, for a cut axis makes differences look large."""
    if logarithmic[0]:
        axes.set_xscale("log")
    if logarithmic[1]:
        axes.set_yscale("log")
    elif points and axes.yaxis.get_data_interval()[0] >= 0 < axes.yaxis.get_data_interval()[1]:
        axes.set_ylim(bottom=0)


def ticks(axes: "Axes", logarithmic: tuple[bool, bool], points: Points) -> None:
    from matplotlib.ticker import FuncFormatter, NullLocator

    for axis, is_log, values in (
        (axes.xaxis, logarithmic[0], {x for x, _ in points}),
        (axes.yaxis, logarithmic[1], set()),
    ):
        axis.set_major_locator(locator(axis, is_log, values))
        axis.set_minor_locator(NullLocator())
        axis.set_major_formatter(FuncFormatter(lambda value, _: plain(value)))


def plain(value: float) -> str:
    """1,000,000 and 0.25, with a minus sign that is as wide as a plus."""
    text = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.6g}"
    return text.replace("-", "\u2212")


def locator(axis: "Axis", is_log: bool, values: set[float]) -> Any:
    """`values` become the ticks of a logarithmic axis while they are few."""
    from matplotlib.ticker import FixedLocator, LogLocator, MaxNLocator

    if not is_log:
        return MaxNLocator(6, steps=[1, 2, 2.5, 5, 10])
    if 1 < len(values) <= NAMED_VALUES:
        return FixedLocator(sorted(values))
    return LogLocator(subs=steps(*axis.get_view_interval()), numticks=30)


def steps(low: float, high: float) -> tuple[float, ...]:
    """Which multiples of a power of ten get a tick: as many as the span leaves room for."""
    decades = log10(high / low)
    return (1, 1.5, 2, 3, 4, 5, 7) if decades < 1 else (1, 2, 5) if decades < 2.6 else (1,)


def usable(value: Any, is_log: bool) -> bool:
    """A finite number that the axis can show."""
    return isinstance(value, int | float) and isfinite(value) and (value > 0 or not is_log)


def lines(axes: "Axes", marks: list[dict[str, Any]]) -> None:
    """Drawn before the ticks are chosen: a mark belongs to what the axes show."""
    for mark in marks:
        across = axes.axhline if mark.get("axis") == "y" else axes.axvline
        across(mark["at"], color=INK, linewidth=1.1, linestyle=(0, (2, 3)), zorder=1)


def labels(axes: "Axes", marks: list[dict[str, Any]], points: Points) -> None:
    """A horizontal line is named at the end with fewer points; vertical ones at the top, one row each."""
    rows = 0
    for number, mark in enumerate(marks):
        position = fraction(axes, mark)
        if mark.get("axis") == "y":
            left = crowd(axes, points, position, 0) <= crowd(axes, points, position, 1)
            corner, shift = (0.0 if left else 1.0, position), (4 if left else -4, 3)
        else:
            left = position < MIDDLE
            corner, shift = (position, 1 - rows * LABEL_ROW), (5 if left else -5, -10)
            rows += 1
        name(axes, f"mark-{number}", str(mark.get("label") or ""), corner, shift, "left" if left else "right")


def name(axes: "Axes", gid: str, label: str, corner: tuple[float, float], shift: tuple[int, int], side: str) -> None:
    text = axes.annotate(label, corner, shift, "axes fraction", "offset points", ha=side)
    text.set_gid(gid)  # svg.py makes it a class: the page draws a halo round it


def fraction(axes: "Axes", mark: dict[str, Any]) -> float:
    """Where on its axis a mark stands, 0 to 1."""
    here = axes.transData.transform((mark["at"], mark["at"]))
    where = axes.transAxes.inverted().transform(here)
    return float(where[1 if mark.get("axis") == "y" else 0])


def crowd(axes: "Axes", points: Points, height: float, end: int) -> int:
    """How many points lie where a label just above `height` would stand, at the left (0) or right (1) end."""
    if not points:
        return 0
    there = axes.transAxes.inverted().transform(axes.transData.transform(points))
    return sum(bool(abs(x - end) < LABEL_WIDTH and height - 0.02 < y < height + 0.1) for x, y in there)
