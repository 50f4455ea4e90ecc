"""Asks ./ponte for requirement sets that a command turns out to need, or for a venv beside its own."""

import runpy
import sys
from functools import cache
from hashlib import sha256
from pathlib import Path
from shutil import rmtree
from typing import Any

from deploy.errors import impossible

STAMP = "has"  # in a venv of a release: which lock file it has, written last


def need(root: Path, *sets: str) -> None:
    """Installed from their lock files into .run/venv, unless they are there already."""
    ponte = door(root)
    try:
        ponte["prepare"](sets)
    except ponte["Stop"] as stop:
        raise impossible(str(stop)) from None


def has(root: Path, *sets: str) -> bool:
    return not door(root)["missing"](sets)


def holds(root: Path, name: str, lock: Path) -> bool:
    """Does .run/venv have what this lock file names?"""
    ponte = door(root)
    return ponte["read"](ponte["stamp"](name)) == digest(lock)


def complete(venv: Path, *locks: Path) -> bool:
    stamp = venv / STAMP
    return stamp.exists() and stamp.read_text() == digest(*locks)


def build(root: Path, venv: Path, *locks: Path) -> None:
    """A venv with what lock files name; .run/venv, which others run from, stays as it is."""
    ponte = door(root)
    rmtree(venv, ignore_errors=True)
    try:
        ponte["quiet"]([sys.executable, "-m", "venv", "--without-pip", str(venv)], "venv")
        for lock in locks:
            ponte["quiet"]([sys.executable, "-m", "pip", "--python", str(venv), *ponte["INSTALL"], str(lock)], "pip")
    except ponte["Stop"] as stop:
        rmtree(venv, ignore_errors=True)
        raise impossible(str(stop)) from None
    (venv / STAMP).write_text(digest(*locks))


def digest(*locks: Path) -> str:
    try:
        return sha256(b"".join(lock.read_bytes() for lock in locks)).hexdigest()
    except FileNotFoundError as error:
        lacking = Path(error.filename)
        raise impossible(f"{lacking.parent.name}/{lacking.name} is missing; the checkout is not whole") from None


@cache
def door(root: Path) -> dict[str, Any]:
    return runpy.run_path(str(root / "ponte"))
