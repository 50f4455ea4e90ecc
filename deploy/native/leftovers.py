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
    if not below(info["cwd"], run) and f"{run}/" not in (info["environ"] or {}).get("SECRET_KEY_FILE", ""):
        return False
    text = " ".join(info["cmdline"] or [])
    return any(sign in text for sign in ("serve", "nginx:", "nginx -p", "postgres", "supervisord"))


def below(folder: str | None, run: Path) -> bool:
    return bool(folder) and Path(str(folder)).is_relative_to(run.resolve())


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
