"""Keeps nginx's logs short: nginx itself never does. Started beside it, ends with it.

Usage:
    python rotate.py PID-FILE LOG ...
"""

import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

LONGEST = 100 * 2**20  # bytes
KEPT = 2  # LOG.1 and LOG.2
PAUSE_SECONDS = 30


def turn(log: Path) -> bool:
    """True when the log was moved away: whoever writes it has to open it anew."""
    if not log.exists() or log.stat().st_size < LONGEST:
        return False
    for number in range(KEPT, 0, -1):
        older = log if number == 1 else log.with_name(f"{log.name}.{number - 1}")
        if older.exists():
            older.replace(log.with_name(f"{log.name}.{number}"))
    return True


def reopen(pid_file: Path) -> None:
    """USR1: nginx's master opens its logs anew, and its workers with it."""
    with suppress(OSError, ValueError):  # just starting or stopping: it opens them by itself
        os.kill(int(pid_file.read_text()), signal.SIGUSR1)


def main(pid_file: Path, *logs: Path) -> None:
    while True:
        turned = [turn(log) for log in logs]
        if any(turned):
            reopen(pid_file)
        time.sleep(PAUSE_SECONDS)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
