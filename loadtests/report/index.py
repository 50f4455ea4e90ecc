"""reports/index.html: every run, newest first; what cannot be read is named."""

from pathlib import Path
from typing import Any

from loadtests.report.disk import replace
from loadtests.report.document import NotARun, exists, from_json, read
from loadtests.report.render import template, verdict
from loadtests.report.runs import Runs


def renew(folder: Path) -> None:
    """Raises Unwritable."""
    replace(folder / "index.html", page(folder))


def page(folder: Path) -> str:
    """The index of a folder, which may not exist yet."""
    entries = [entry(path) for path in Runs(folder).folders() if not path.name.startswith(".")]
    listed = [one for one in entries if "problem" not in one]
    odd = [one for one in entries if "problem" in one]
    return template("index.html").render(runs=listed, odd=odd)


def entry(path: Path) -> dict[str, Any]:
    """What the index says of one folder: a run, or {"name", "problem"}."""
    kind = "comparison.json" if exists(path / "comparison.json") else "run.json"
    try:
        found = from_json(path / kind) if kind == "comparison.json" else read(path)
    except NotARun as problem:
        return {"name": path.name, "problem": str(problem)}
    link = "index.html" if exists(path / "index.html") else kind
    return {**found, "name": path.name, "link": f"{path.name}/{link}", "verdict": verdict(found.get("verdict"))}
