"""Processes of a stack whose keeper is gone: told by where they work, ended by their pid."""

from contextlib import suppress
from pathlib import Path

import psutil

from deploy.console import Console
from deploy.native.layout import Layout

PROGRAMS = ("python", "nginx", "postgres", "supervisord")  # not the pager somebody reads a log with
PATIENCE = 50  # seconds; above the time a replica takes to stop


def find(layout: Layout) -> list[psutil.Process]:
    """Ours by two signs: the working folder is below the run folder, and the command is a stack's."""
    found = []
    for process in psutil.process_iter(["name", "cwd", "cmdline", "environ"]):
        if is_ours(process.info, layout.run):
            found.append(process)
    return found


def is_ours(info: dict, run: Path) -> bool:
    if not str(info["name"]).startswith(PROGRAMS):
        return False
    places = info["cwd"], (info["environ"] or {}).get("SECRET_KEY_FILE")
    if not any(of(run, Path(place)) for place in places if place):
        return False
    text = " ".join(info["cmdline"] or [])
    return any(sign in text for sign in ("serve", "nginx:", "nginx -p", "postgres", "supervisord"))


def of(run: Path, place: Path) -> bool:
    """Below it, and not below the run folder of another stack in it, as tests and experiments have."""
    home = next((each for each in (run, run.resolve()) if place.is_relative_to(each)), None)
    if home is None:
        return False
    parts = place.relative_to(home).parts
    within = (home.joinpath(*parts[:depth]) for depth in range(1, len(parts) + 1))
    return not any(Layout(each, each).keeper.is_dir() for each in within)


def end(layout: Layout, say: Console) -> None:
    """They were told to stop when the keeper died; what does not is killed."""
    left = find(layout)
    if not left:
        return
    say(f"ending {len(left)} processes that a killed keeper left behind")
    for process in left:
        attempt(process, "terminate")
    _, stubborn = psutil.wait_procs(left, PATIENCE)
    for process in stubborn:
        attempt(process, "kill")
    psutil.wait_procs(stubborn, 5)


def attempt(process: psutil.Process, action: str) -> None:
    with suppress(psutil.NoSuchProcess):
        getattr(process, action)()
