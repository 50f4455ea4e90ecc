"""PostgreSQL refuses root: as root it runs as another user, in a way that works below a 0700 home."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from deploy.errors import impossible
from deploy.run import quiet

NOBODY = 65534
# Seen from inside it is nobody, seen from outside still root: it may enter root's own folders.
NAMESPACE = ("unshare", "--user", f"--map-user={NOBODY}", f"--map-group={NOBODY}", "--")


def wrap(data: Path) -> list[str]:
    """Words before a PostgreSQL command line; none for an ordinary user."""
    if os.geteuid() != 0:
        return []
    for words in ways(data):
        if can(words, data):
            return words
    raise impossible(
        "PostgreSQL does not run as root, and neither user namespaces nor another user work here; "
        "call ./ponte as an ordinary user, or set DATABASE_URL"
    )


def ways(data: Path) -> Iterator[list[str]]:
    yield list(NAMESPACE)
    for uid, gid in owners(data):
        yield ["setpriv", f"--reuid={uid}", f"--regid={gid}", "--clear-groups", "--"]


def owners(data: Path) -> Iterator[tuple[int, int]]:
    """Whoever closed a folder above can enter it; after them nobody."""
    closed = [each.stat() for each in data.parents if not each.stat().st_mode & stat.S_IXOTH]
    yield from ((found.st_uid, found.st_gid) for found in closed if found.st_uid)
    yield NOBODY, NOBODY


def can(words: list[str], data: Path) -> bool:
    """Tried, not reasoned about: kernels, containers and mounts differ."""
    return quiet([*words, "test", "-x", data.parent], capture_output=True).returncode == 0


def own(data: Path) -> None:
    """Gives the data to the user that PostgreSQL will run as."""
    if os.geteuid() != 0:
        return
    words = wrap(data)
    uid, gid = (0, 0) if words[0] == "unshare" else (int(words[1][8:]), int(words[2][8:]))
    if data.stat().st_uid == uid:
        return
    for path in (data, *data.rglob("*")):
        os.chown(path, uid, gid, follow_symlinks=False)
