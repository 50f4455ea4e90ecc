"""A plot of run.json as inline SVG, drawn twice: wide for a page, narrow for a phone. matplotlib loads on the first."""

import io
import os
import warnings
from math import isfinite, nan
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import escape

from loadtests.report.axes import Points, labels, lines, scale, ticks, usable
from loadtests.report.svg import INK, LINE, SERIES, inline

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Plot = dict[str, Any]
SIZES = {"wide": (560, 340), "narrow": (340, 280)}  # pixels in the page, where text is 12 pixels high
CACHE = Path(__file__).parents[2] / ".run" / "matplotlib"  # its list of fonts: nothing outside the checkout
MARKERS = "os^DvP"  # a series differs from its neighbours by colour and by shape
MARKED_POINTS = 12
STYLE: dict[Any, Any] = {
    "svg.fonttype": "none", "svg.hashsalt": "ponte", "text.parse_math": False, "path.simplify_threshold": 0.5,
    "font.size": 12, "text.color": INK, "xtick.color": INK, "ytick.color": INK, "axes.edgecolor": INK,
    "figure.facecolor": "none", "axes.facecolor": "none",
    "axes.spines.top": False, "axes.spines.right": False, "axes.linewidth": 0.8, "axes.axisbelow": True,
    "axes.grid": True, "grid.color": LINE, "grid.linewidth": 0.8, "xtick.major.size": 3, "ytick.major.size": 0,
    "lines.linewidth": 1.8, "lines.markersize": 5.5, "errorbar.capsize": 3,
}  # fmt: skip


def drawings(plot: Plot, name: str) -> dict[str, str]:
    """{"wide": svg, "narrow": svg}; `name` must be unique in the page. The same plot gives the same bytes."""
    return {size: draw(plot, f"{name}-{size}", *pixels) for size, pixels in SIZES.items()}


def draw(plot: Plot, name: str, width: int, height: int) -> str:
    os.environ.setdefault("MPLCONFIGDIR", str(CACHE))
    from matplotlib import rc_context
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    file = io.StringIO()
    with rc_context(STYLE), warnings.catch_warnings(action="ignore"):  # a label may use signs no font here has
        figure = Figure(figsize=(width / 72, height / 72), layout="constrained")
        fill(figure.add_subplot(), plot)
        FigureCanvasSVG(figure).print_svg(file, metadata={"Date": None})
    return inline(file.getvalue(), name, str(escape(plot.get("title") or "plot")))


def fill(axes: "Axes", plot: Plot) -> None:
    wanted = [(plot.get(axis) or {}).get("scale") == "log" for axis in "xy"]
    points = [
        point for number, series in enumerate(plot.get("series") or []) for point in add(axes, series, number, wanted)
    ]
    logarithmic = (wanted[0] and bool(points), wanted[1] and bool(points))
    marks = [mark for mark in plot.get("marks") or [] if usable(mark.get("at"), logarithmic[mark.get("axis") == "y"])]
    scale(axes, logarithmic, points)
    lines(axes, marks)
    ticks(axes, logarithmic, points)
    labels(axes, marks, points)
    if not points:
        axes.text(0.5, 0.5, "nothing was measured", transform=axes.transAxes, ha="center", va="center")


def add(axes: "Axes", series: dict[str, Any], number: int, logarithmic: list[bool]) -> Points:
    """Draws one series with its interval; returns its points. What an axis cannot show is a gap."""
    x, y, low, high = (column(series, word, logarithmic[word != "x"]) for word in ("x", "y", "low", "high"))
    colour, marker = SERIES[number % len(SERIES)], MARKERS[number % len(MARKERS)]
    style = series.get("style") or "line"
    look: dict[str, Any] = {
        "color": colour,
        "marker": marker,
        "markevery": max(1, len(x) // MARKED_POINTS),
        "zorder": 2,
    }
    if style == "points":
        look |= {"linestyle": "none", "markevery": 1, "zorder": 3}
    elif style == "dashed":
        look |= {"linestyle": (0, (5, 3)), "marker": ""}
    axes.plot(x, y, drawstyle="steps-post" if style == "step" else "default", clip_on=style == "step", **look)
    interval(axes, style, colour, x, y, low, high)
    return [(a, b) for a, b in zip(x, y, strict=True) if isfinite(a) and isfinite(b)]


def interval(axes: "Axes", style: str, colour: str, x: list, y: list, low: list, high: list) -> None:
    """Bars for points, a band for lines."""
    if not any(isfinite(value) for value in low + high):
        return
    if style == "points" or len(x) == 1:
        below = [max(0.0, b - a) for a, b in zip(low, y, strict=True)]
        above = [max(0.0, b - a) for a, b in zip(y, high, strict=True)]
        axes.errorbar(x, y, yerr=[below, above], fmt="none", ecolor=colour, zorder=3, elinewidth=1.4)
    else:
        axes.fill_between(x, low, high, color=colour, alpha=0.18, linewidth=0, step="post" if style == "step" else None)


def column(series: dict[str, Any], word: str, is_log: bool) -> list[float]:
    """As long as the shorter of x and y; NaN where there is no number, or none this axis can show."""
    length = min(len(series.get("x") or []), len(series.get("y") or []))
    values = [value if usable(value, is_log) else nan for value in (series.get(word) or [])[:length]]
    return values + [nan] * (length - len(values))
