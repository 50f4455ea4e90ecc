"""What this machine knows of a running stack: .run/state.json, and the lock that keeps commands apart."""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from deploy.errors import Refused, impossible

State = dict[str, Any]  # engine, project, release, tree, ... and what the engine adds


class Damaged(Exception):
    """The file is there and says nothing: truncated, or not ours."""


def read(run: Path) -> State | None:
    """None when nothing is up."""
    try:
        state = json.loads((run / "state.json").read_text())
    except FileNotFoundError:
        return None
    except (ValueError, UnicodeDecodeError):
        raise Damaged from None
    except NotADirectoryError:
        raise impossible(f"{run} is no folder; remove it") from None
    if not isinstance(state, dict) or not {"engine", "project"} <= state.keys():
        raise Damaged
    return state


def write(run: Path, state: State) -> None:
    """All or nothing; for its owner alone, for settings may hold a secret."""
    replace(run / "state.json", json.dumps(state, indent=2) + "\n", 0o600)


def used(run: Path, engine: str) -> None:
    """Outlives `down`: `clean` asks which engine's data there may be."""
    run.mkdir(parents=True, exist_ok=True)
    (run / f"used-{engine}").touch()


def was_used(run: Path, engine: str) -> bool:
    return (run / f"used-{engine}").exists()


def forget(run: Path) -> None:
    (run / "state.json").unlink(missing_ok=True)


def replace(path: Path, text: str, mode: int = 0o644) -> None:
    """A reader, or a full disk, never sees half a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


@contextmanager
def alone(run: Path, target: str) -> Iterator[None]:
    """Held by targets that change the stack; the kernel releases it when the holder dies."""
    run.mkdir(parents=True, exist_ok=True)
    with open(run / "lock", "a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.seek(0)
            other = file.read().strip() or "another command"
            raise Refused(f"{other} is at work on this stack; wait for it to end", 3) from None
        file.truncate(0)
        file.write(f"./ponte {target} (pid {os.getpid()})")
        file.flush()
        yield
        file.truncate(0)
