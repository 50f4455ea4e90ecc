"""Two runs side by side, stored like a run but as comparison.json: it can be looked at, not compared again."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from loadtests.report import index
from loadtests.report.disk import replace
from loadtests.report.document import FORMAT, Run, as_json, plain
from loadtests.report.render import complete, template
from loadtests.report.runs import Runs

Comparison = dict[
    str, Any
]  # {"a": run, "b": run, "conclusion", "verdict", "tables", "plots"}, notes and command if any
SKIPPED = ("points", "plots", "tables", "validity", "notes")  # of a and b: they stand in the runs themselves


def save(runs: Runs, comparison: Comparison, at: datetime) -> Path:
    """The folder it now lies in. Raises Unwritable."""
    path = runs.start("compare", at)
    whole = {
        "format": FORMAT, "id": path.name, "experiment": "compare", "title": title(comparison),
        "started": at.isoformat(), **comparison, "a": brief(comparison["a"]), "b": brief(comparison["b"]),
    }  # fmt: skip
    replace(path / "comparison.json", as_json(whole))
    replace(path / "index.html", page(plain(whole)))
    index.renew(runs.folder)
    return path


def page(comparison: Comparison) -> str:
    """Links go to the runs' own folders, beside the comparison's."""
    differing = list(differences(comparison["a"], comparison["b"]))
    full = {"title": title(comparison), "started": ""} | complete(comparison)
    return template("comparison.html").render(run=full, differing=differing, files=["comparison.json"])


def title(comparison: Comparison) -> str:
    return f"{comparison['a'].get('id', 'A')} against {comparison['b'].get('id', 'B')}"


def brief(run: Run) -> Run:
    return {key: value for key, value in run.items() if key not in SKIPPED}


def differences(a: Run, b: Run) -> Iterator[tuple[str, Any, Any]]:
    """(what, in A, in B) for every word of configuration and environment that is not the same."""
    left, right = (dict(flat({word: run.get(word) for word in ("config", "environment")})) for run in (a, b))
    for key in left | right:
        if left.get(key) != right.get(key):
            yield key.partition(" ")[2], left.get(key), right.get(key)


def flat(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    items = value.items() if isinstance(value, dict) else enumerate(value, 1) if isinstance(value, list) else ()
    if not items:
        yield name, value
    for key, item in items:
        yield from flat(item, f"{name} {key}".strip())
