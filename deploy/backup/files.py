"""Backups as files: NAME.dump, the checksums beside it, and what it holds; a name stands for a whole one."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from hashlib import file_digest
from pathlib import Path
from typing import IO, Any

from deploy.errors import Refused, impossible
from deploy.settings import Settings
from deploy.state import replace

FOLDER = "backups"
PRIVATE_FOLDER, PRIVATE = 0o700, 0o600
OURS = "ponte-*Z.dump"  # their names sort by time
STAMP = "%Y%m%dT%H%M%S"
BESIDE = (".sha256", ".json")
MAGIC = b"PGDMP"


def folder(settings: Settings) -> Path:
    return settings.run / FOLDER


def there(settings: Settings) -> list[Path]:
    """All, those that were given a name too."""
    return list(folder(settings).glob("*.dump"))


def kept(settings: Settings) -> list[Path]:
    """The stack's own, oldest first."""
    return sorted(folder(settings).glob(OURS))


def new(settings: Settings, name: str | None) -> Path:
    """Where the next backup goes: a name of its own, or one that is still free."""
    if not name:
        now = datetime.now(UTC)
        return folder(settings) / f"ponte-{now:{STAMP}}.{now.microsecond // 1000:03}Z.dump"
    path = settings.root / Path(name).expanduser()
    if path.exists() or path.is_symlink():
        raise Refused(f"FILE={name!r} exists already; choose another name, nothing is written over")
    if not path.parent.is_dir():
        raise Refused(f"FILE={name!r}: there is no folder {str(path.parent)!r}; make it, or choose another")
    return path


def named(settings: Settings, name: str | None) -> Path:
    """A backup that is there: the one somebody named, else the newest."""
    if not name:
        if not kept(settings):
            raise impossible(f"there is no backup in {settings.shown(folder(settings))}; ./ponte backup makes one")
        return kept(settings)[-1]
    path = settings.root / Path(name).expanduser()
    if not path.is_file():
        there = ", ".join(settings.shown(each) for each in reversed(kept(settings)[-3:]))
        raise Refused(
            f"FILE={name!r} does not exist; {f'choose from {there}' if there else './ponte backup makes one'}"
        )
    return path


@contextmanager
def draft(target: Path) -> Iterator[IO[bytes]]:
    """An open file beside the target; whatever happens, none is left."""
    path = draft_of(target)
    path.parent.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
    try:
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, PRIVATE), "wb") as file:
            yield file
    finally:
        path.unlink(missing_ok=True)


def draft_of(target: Path) -> Path:
    return target.with_name(f".{target.name}.draft")


def publish(target: Path, file: IO[bytes], about: dict[str, Any]) -> None:
    """(!) The dump gets its name last: one that can be seen has its checksums beside it, and is on the disk."""
    os.fsync(file.fileno())
    sums, holds = (beside(target, suffix) for suffix in BESIDE)
    replace(holds, json.dumps(about, indent=2) + "\n", PRIVATE)
    lines = ((checksum(draft_of(target)), target.name), (checksum(holds), holds.name))
    replace(sums, "".join(f"{digest}  {name}\n" for digest, name in lines), PRIVATE)  # as sha256sum -c reads it
    draft_of(target).rename(target)
    sync(target.parent)


def beside(target: Path, suffix: str) -> Path:
    return target.with_name(target.name + suffix)


def checksum(path: Path) -> str:
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


def sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def damage(path: Path) -> str:
    """Why this is no whole backup, in a sentence; empty when it is one."""
    with path.open("rb") as file:
        if file.read(len(MAGIC)) != MAGIC:
            return f"{path.name} is no dump of pg_dump --format=custom"
    try:
        sums = dict(line.split(maxsplit=1)[::-1] for line in beside(path, ".sha256").read_text().splitlines() if line)
    except (OSError, ValueError):
        return f"{path.name} has no checksum beside it; for one you trust: sha256sum {path.name} >{path.name}.sha256"
    told = {Path(name.lstrip("*")).name: digest for name, digest in sums.items()}
    wrong = [each.name for each in (path, beside(path, ".json"))
             if each.exists() and told.get(each.name, "") != checksum(each)]  # fmt: skip
    if wrong:
        return f"{wrong[0]} is truncated or changed: its checksum is not the one beside it; choose another backup"
    return ""


def about(path: Path) -> dict[str, Any] | None:
    """What was counted when it was taken; None for a dump that somebody else made."""
    with suppress(FileNotFoundError):
        return json.loads(beside(path, ".json").read_text())
    return None


def forget_old(settings: Settings, keep: int) -> list[Path]:
    """All but the newest go, and what killed backups left; 0 keeps all."""
    old = kept(settings)[:-keep] if keep else []
    for path in old:
        path.unlink()
    there = {path.name for path in kept(settings)}
    for path in (*folder(settings).glob(".ponte-*"), *folder(settings).glob(f"{OURS}.*")):
        if path.name.rpartition(".")[0] not in there:
            path.unlink()
    return old
