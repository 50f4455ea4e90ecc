"""`python sweep.py NGINX WORDS...`: ends the workers of a killed nginx master, then becomes nginx.

They would go on serving the old configuration and hold its ports; nothing else takes notice of them.
"""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

PROC = Path("/proc")  # without it (macOS) there is nothing to sweep by


def main(argv: list[str]) -> None:
    for pid in orphans(Path.cwd()):
        print(f"sweep: ending worker {pid} of an nginx that was killed", flush=True)
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGQUIT)
    os.execv(argv[0], argv)


def orphans(folder: Path) -> Iterator[int]:
    """nginx workers that work in this folder and have lost their parent."""
    for entry in PROC.glob("[0-9]*"):
        with suppress(OSError):
            worker = (entry / "cmdline").read_bytes().startswith(b"nginx: worker")
            if worker and (entry / "cwd").readlink() == folder and lost(entry):
                yield int(entry.name)


def lost(entry: Path) -> bool:
    """Its parent is no nginx."""
    parent = (entry / "stat").read_text().rpartition(")")[2].split()[1]
    return not (PROC / parent / "cmdline").read_bytes().startswith(b"nginx: master")


if __name__ == "__main__":
    main(sys.argv[1:])
