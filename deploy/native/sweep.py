"""`python sweep.py SIGNAL PROGRAM WORDS...`: ends what an earlier run of this program left, then becomes it.

When the first process of a replica or of nginx is killed, its workers live on: they hold the port and may no longer
accept from it, so requests hang. In a container they would have ended with it. The keeper starts a program only
after its first process is gone, so whoever else belongs to the same program is left over.
"""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

PROC = Path("/proc")  # without it (macOS) there is nothing to sweep by
NAMES = (b"SUPERVISOR_PROCESS_NAME", b"PROMETHEUS_MULTIPROC_DIR")


def main(name: str, argv: list[str]) -> None:
    for pid in leftovers():
        print(f"sweep: ending {pid}, left by a process that was killed", flush=True)
        with suppress(ProcessLookupError):
            os.kill(pid, getattr(signal, f"SIG{name}"))
    os.execv(argv[0], argv)


def leftovers() -> Iterator[int]:
    me = PROC / str(os.getpid())
    with suppress(OSError):
        ours = identity(me)
        for entry in PROC.glob("[0-9]*"):
            if entry != me and same(entry, ours):
                yield int(entry.name)


def same(entry: Path, ours: tuple[object, ...]) -> bool:
    """By folder and environment; nginx writes its title over the environment of its workers."""
    with suppress(OSError):
        if (entry / "cmdline").read_bytes().startswith(b"nginx: worker"):
            return ours[0] == (entry / "cwd").readlink() and ours[1] == b"nginx"
        return identity(entry) == ours
    return False


def identity(entry: Path) -> tuple[object, ...]:
    environ = dict(pair.partition(b"=")[::2] for pair in (entry / "environ").read_bytes().split(b"\0"))
    return ((entry / "cwd").readlink(), *(environ.get(name) for name in NAMES))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
