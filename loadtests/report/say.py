"""How times, sizes and verdicts are said on a page."""

import re
from datetime import UTC, datetime
from typing import Any

BADGES = {
    "valid": "good", "improvement": "good", "pass": "good",
    "suspect": "doubtful", "differs": "doubtful",
    "invalid": "bad", "regression": "bad", "fail": "bad",
}  # fmt: skip
MARKS = {"good": "✓", "doubtful": "!", "bad": "✕", "plain": "="}
UNIT = re.compile(r"(?<=\d) (?=(?:ms|s|min|h|KiB|MiB|GiB)\b|%)")
LONG_CELL = 24
DASH = "\u2013"  # stands in an empty cell
NUMBER = re.compile("[<>≤≥≈~]? ?[-+±\u2212]?[0-9].{0,24}|[-\u2013\u2014]?")
UNITS = ((2**40, "TiB"), (2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB"))


def moment(started: Any) -> str:
    """`2026-11-21T14:30:00Z` as a person writes it; anything else unchanged."""
    try:
        at = datetime.fromisoformat(str(started)).astimezone(UTC)
    except (ValueError, OverflowError):
        return str(started)
    return f"{at.day} {at:%B %Y, %H:%M} UTC"


def duration(seconds: Any) -> str:
    """4 min 0 s"""
    if not isinstance(seconds, int | float):
        return ""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    parts = [(hours, "h"), (minutes, "min"), (rest, "s")]
    first = next((number for number, (value, _) in enumerate(parts) if value), 2)
    return " ".join(f"{value} {unit}" for value, unit in parts[first:])


def bound(sentence: Any) -> str:
    """No line ends between a number and its unit."""
    return UNIT.sub("\u00a0", str(sentence))


def words(key: str) -> str:
    """`service_time` as two words."""
    return str(key).replace("_", " ")


def quantity(value: Any, key: str = "") -> str:
    """A value of the configuration or the environment; `memory` is in bytes."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None or value == "":
        return DASH
    if isinstance(value, int | float) and "memory" in str(key):
        return size(value)
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def size(number: float) -> str:
    factor, unit = next(((factor, unit) for factor, unit in UNITS if abs(number) >= factor), (1, "bytes"))
    return f"{number / factor:.3g} {unit}"


def kind(cells: list[Any]) -> str:
    """The class of a column: number (aligned on the right), text (long, needs room) or none."""
    said = [str("" if cell is None else cell) for cell in cells]
    if any(said) and all(NUMBER.fullmatch(cell) for cell in said):
        return "number"
    return "text" if any(len(cell) > LONG_CELL for cell in said) else ""


def badge(word: Any) -> str:
    """The class of a verdict; empty where the word is none."""
    return BADGES.get(str(word), "")


def mark(word: Any) -> str:
    """A sign beside the word, so that colour is never alone."""
    return MARKS[badge(word) or "plain"]


def records(value: Any) -> bool:
    """A list of dicts with the same keys: a table in all but name."""
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(item, dict) and item.keys() == value[0].keys() for item in value)
    )
