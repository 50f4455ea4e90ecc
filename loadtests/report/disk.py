"""Folders and files that appear whole or not at all."""

import os
from contextlib import suppress
from itertools import count
from pathlib import Path


class Unwritable(Exception):
    """The report folder takes no file; a sentence for the user."""

    def __init__(self, path: Path, error: OSError):
        super().__init__(f"{path} cannot be written ({error.strerror or error}); free space or change its owner")


def make(folder: Path, name: str) -> Path:
    """A new folder; name, name-2, name-3 … where one is taken."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return _first_free(folder, name)
    except OSError as error:
        raise Unwritable(folder, error) from error


def _first_free(folder: Path, name: str) -> Path:
    for number in count(1):
        path = folder / (name if number == 1 else f"{name}-{number}")
        try:
            path.mkdir()
        except FileExistsError:
            continue
        return path
    raise AssertionError("count() never ends")


def replace(path: Path, text: str) -> None:
    """A reader, or a full disk, never sees half a file. Raises Unwritable."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        _write(draft, text)
        draft.replace(path)
    except OSError as error:
        _forget(draft)
        raise Unwritable(path, error) from error


def _write(path: Path, text: str) -> None:
    with open(path, "w", encoding="utf-8", errors="backslashreplace") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _forget(path: Path) -> None:
    with suppress(OSError):
        path.unlink(missing_ok=True)
