"""A disk of its own, of a size, that a test can fill."""

import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml

from tests.contract import ROOT

PLACE = "/var/cache/answers"
UNITS = {"k": 2**10, "m": 2**20, "g": 2**30}


@contextmanager
def disk(place: Path, size: int) -> Iterator[Path]:
    place.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=1777", "ponte-test", place], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", place], check=True)


def used(place: Path) -> int:
    found = os.statvfs(place)
    return (found.f_blocks - found.f_bfree) * found.f_frsize


def size_in_compose() -> int:
    """What compose.yaml gives to kept answers."""
    mounts = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]["nginx"]["tmpfs"]
    options = next(each for each in mounts if each.startswith(PLACE))
    number, unit = re.search(r"size=(\d+)([kmg])", options).groups()  # type: ignore[union-attr]
    return int(number) * UNITS[unit]
