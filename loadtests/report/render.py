"""A run as one page that needs nothing else: no script, no font, no file from elsewhere."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup

from loadtests.report import say
from loadtests.report.plots import MARKERS, SERIES, drawings

TEMPLATES = Path(__file__).with_name("templates")
SWATCHES = {  # the markers of plots.py, 6 units across a middle at 13,6
    "o": "M13 3a3 3 0 1 0 .01 0z",
    "s": "M10.2 3.2h5.6v5.6h-5.6z",
    "^": "M13 2l3.6 6.8h-7.2z",
    "D": "M13 1.8l4.2 4.2-4.2 4.2-4.2-4.2z",
    "v": "M13 10l3.6-6.8h-7.2z",
    "P": "M12 2h2v3h3v2h-3v3h-2v-3h-3v-2h3z",
}
ABSENT: dict[str, Any] = {
    "title": "Run", "conclusion": "", "quick": False, "interrupted": False, "command": "", "seconds": None,
    "config": {}, "environment": {}, "notes": [], "tables": [], "plots": [], "validity": [],
}  # fmt: skip


def page(run: dict[str, Any], files: Sequence[str] = ("run.json",)) -> str:
    """The report of a run; what an early end left out of it is left out of the page. `files` lie beside it."""
    return template("report.html").render(run=complete(run), files=files)


def complete(run: dict[str, Any]) -> dict[str, Any]:
    """Every field the templates read, plots drawn."""
    full = ABSENT | {key: value for key, value in run.items() if value is not None}
    full["verdict"] = verdict(run.get("verdict"))
    full["plots"] = [picture(plot, f"plot{number}") for number, plot in enumerate(full["plots"], 1)]
    return full


def verdict(given: Any) -> dict[str, Any]:
    given = given if isinstance(given, dict) else {}
    return {"word": str(given.get("word") or "unknown"), "reasons": list(given.get("reasons") or [])}


def picture(plot: dict[str, Any], name: str) -> dict[str, Any]:
    legend = [entry(series, number) for number, series in enumerate(plot.get("series") or [])]
    return plot | {"legend": legend} | {size: Markup(text) for size, text in drawings(plot, name).items()}


def entry(series: dict[str, Any], number: int) -> dict[str, Any]:
    """How a series looks, for the legend."""
    style = series.get("style") or "line"
    return {
        "label": series.get("label") or f"series {number + 1}",
        "colour": number % len(SERIES) + 1,
        "marker": "" if style == "dashed" else SWATCHES[MARKERS[number % len(MARKERS)]],
        "dash": "5 3" if style == "dashed" else "",
        "line": style != "points",
    }


def template(name: str) -> Any:
    return _environment().get_template(name)


@cache
def _environment() -> Environment:
    environment = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {
        "moment": say.moment, "duration": say.duration, "words": say.words, "quantity": say.quantity,
        "kind": say.kind, "bound": say.bound, "badge": say.badge, "mark": say.mark,
    }  # fmt: skip
    environment.tests["records"] = say.records
    return environment
