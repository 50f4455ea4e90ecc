"""The lock files, and what they pin."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

NAME = "requirements.txt"
WRITTEN = ("reports", "tests/artifacts")  # by runs; what begins with a dot is left out anyway
LINE = re.compile(r"^(?P<name>[A-Za-z0-9][\w.-]*)(?:\[[^]]*\])?==(?P<version>[^\s;\\]+)(?P<rest>(?:.*\\\n)*.*)", re.M)


@dataclass(frozen=True, order=True)
class Pin:
    name: str
    version: str
    hashes: tuple[str, ...]

    def __str__(self) -> str:
        """As a line that counts on every machine: without its marker."""
        return " ".join((f"{self.name}=={self.version}", *(f"--hash={each}" for each in self.hashes)))


def locks(root: Path) -> dict[str, Path]:
    """By the name of the set, which is its folder: `apps/serve`."""
    found = sorted(path.parent.relative_to(root) for path in root.glob(f"[!.]*/**/{NAME}"))
    return {each.as_posix(): root / each / NAME for each in found if not each.as_posix().startswith(WRITTEN)}


def pins(lock: Path) -> Iterator[Pin]:
    for found in LINE.finditer(lock.read_text()):
        yield Pin(found["name"], found["version"], tuple(re.findall(r"--hash=(\S+)", found["rest"])))
