"""Log files of the native engine: one a process, shown with the name of who wrote a line."""

import os
import re
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

from deploy.console import Console

SHOWN = 200  # lines of each file without FOLLOW
BLOCK = 1 << 16
NGINX = ("access", "error", "nginx")
MOMENT = re.compile(r'"msec":([0-9.]+)')


def files(folder: Path, service: str | None) -> list[Path]:
    found = sorted(folder.glob("*.log"))
    return [path for path in found if service in (None, owner(path))]


def owner(path: Path) -> str:
    """`django-asgi-2.log` -> django-asgi; nginx writes three files."""
    if path.stem in NGINX:
        return "nginx"
    name, _, number = path.stem.rpartition("-")
    return name if number.isdigit() else path.stem


def tail(path: Path, count: int) -> list[str]:
    """The last lines, read from the end."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            data = b""
            while data.count(b"\n") <= count and size > 0:
                step = min(BLOCK, size)
                size = file.seek(size - step)
                data = file.read(step) + data
    except OSError:
        return []
    return data.decode(errors="replace").splitlines()[-count:]


def show(folder: Path, service: str | None, follow: bool, say: Console) -> None:
    paths = files(folder, service)
    width = max((len(path.stem) for path in paths), default=0)
    for path in paths:
        for line in tail(path, SHOWN):
            say.answer(f"{path.stem:<{width}} | {line}")
    with suppress(KeyboardInterrupt):
        for path, line in new_lines(folder, service) if follow else ():
            say.answer(f"{path.stem:<{width}} | {line}")


def edge(folder: Path, since: float) -> Iterator[str]:
    """Lines of nginx's access log from a moment on, those that were rotated away included."""
    with ExitStack() as closing:
        opened = []
        # Newest first: while we open them the log may be turned, never back.
        for name in ("access.log", "access.log.1", "access.log.2"):
            with suppress(FileNotFoundError):
                opened.append(closing.enter_context((folder / name).open(errors="replace")))
        once = {os.fstat(file.fileno()).st_ino: file for file in reversed(opened)}
        for file in once.values():
            yield from (line for line in file if moment(line) >= since)


def moment(line: str) -> float:
    """When a request ended; 0 for what is no line of an access log."""
    found = MOMENT.search(line)
    return float(found[1]) if found else 0.0


def new_lines(folder: Path, service: str | None) -> Iterator[tuple[Path, str]]:
    """Lines written from now on, also by replicas that start later or whose file is rotated."""
    positions = {path: path.stat().st_size for path in files(folder, service)}
    while True:
        for path in files(folder, service):
            yield from ((path, line) for line in read_on(path, positions))
        time.sleep(0.3)


def read_on(path: Path, positions: dict[Path, int]) -> list[str]:
    position = positions.get(path, 0)
    with path.open("rb") as file:
        if file.seek(0, os.SEEK_END) < position:
            position = 0
        file.seek(position)
        whole, _, _ = file.read().rpartition(b"\n")
    positions[path] = position + len(whole) + 1 if whole else position
    return whole.decode(errors="replace").splitlines()
