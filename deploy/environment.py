"""Asks ./ponte for requirement sets that a command turns out to need."""

import runpy
from functools import cache
from pathlib import Path
from typing import Any

from deploy.errors import impossible


def need(root: Path, *sets: str) -> None:
    """Installed from their lock files into .run/venv, unless they are there already."""
    ponte = door(root)
    try:
        ponte["prepare"](sets)
    except ponte["Stop"] as stop:
        raise impossible(str(stop)) from None


def has(root: Path, *sets: str) -> bool:
    return not door(root)["missing"](sets)


@cache
def door(root: Path) -> dict[str, Any]:
    return runpy.run_path(str(root / "ponte"))
