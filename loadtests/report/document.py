"""run.json itself: what is written, and what is refused when it is read."""

import json
import re
from pathlib import Path
from typing import Any

Run = dict[str, Any]
FORMAT = 1
NAME = re.compile(r"\d{8}-\d{6}-[a-z0-9-]+")


class NotARun(Exception):
    """What was named holds no run; a sentence for the user."""


def read(path: Path) -> Run:
    """The run in a folder, named after the folder it is in now. Raises NotARun."""
    if exists(path / "comparison.json"):
        raise NotARun(f"{path.name} is a comparison of two runs, not a run")
    return {**from_json(path / "run.json"), "id": path.name}


def exists(path: Path) -> bool:
    """False, too, where it may not be known."""
    try:
        return path.exists()
    except OSError:
        return False


def from_json(path: Path) -> Run:
    """run.json or comparison.json. Raises NotARun, which names the folder."""
    name = f"{path.parent.name}/{path.name}"
    run = parsed(path, name)
    if not isinstance(run, dict) or "format" not in run:
        raise NotARun(f"{name} is no report of this project: it names no format")
    if run["format"] != FORMAT:
        raise NotARun(f"{name} has format {run['format']!r:.40}; this checkout reads format {FORMAT}")
    if not all(isinstance(run.get(word), str) for word in ("experiment", "started", "conclusion")):
        raise NotARun(f"{name} is incomplete: it lacks experiment, started or conclusion")
    return run


def parsed(path: Path, name: str) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise NotARun(f"{path.parent.name} has no {path.name}: {lacking(path.parent)}") from None
    except OSError as error:
        raise NotARun(f"{name} cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError):
        raise NotARun(f"{name} is damaged: it is not JSON") from None


def lacking(path: Path) -> str:
    return "it still runs, or it was killed" if NAME.fullmatch(path.name) else "it is not a run's folder"


def as_json(run: Run) -> str:
    """Raises TypeError for what JSON has no word for."""
    return json.dumps(plain(run), ensure_ascii=False, indent=1, allow_nan=False) + "\n"


def plain(value: Any) -> Any:
    """Arrays become lists, numpy's numbers Python's; NaN and infinity become null."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, float):
        return value if value - value == 0 else None
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list | tuple) else value
