"""matrix.json: written after every pair, so that an interrupted run goes on where it was."""

import fcntl
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from loadtests.report import disk
from loadtests.report.runs import Runs
from tests.contract import ROOT
from tests.matrix.cells import Cell
from tests.matrix.plan import Pair, Words
from tests.matrix.ratios import ratios

FORMAT = 1
NAME = "matrix"
FILE = "matrix.json"
# What a cell depends on; a change of it begins the matrix anew.
MATERIAL = (
    "apps",
    "nginx",
    "deploy",
    "tests/matrix",
    "tests/promises/websocket_conformance",
    "tests/stack",
    "tests/contract.py",
)
UNREAD = ("__pycache__", ".mypy_cache", ".ruff_cache")


@dataclass
class Matrix:
    folder: Path
    words: Words
    fingerprint: str
    planned: list[str]
    started: str
    seconds: float = 0.0  # spent in all, over the interruptions
    finished: bool = False
    cells: list[Cell] = field(default_factory=list)

    def left(self, pairs: Sequence[Pair]) -> list[Pair]:
        done = {each.name for each in self.cells}
        return [each for each in pairs if each.name not in done]

    def save(self) -> None:
        told = {key: value for key, value in asdict(self).items() if key != "folder"}
        told |= {"format": FORMAT, "ratios": ratios(self.cells)}
        disk.replace(self.folder / FILE, json.dumps(told, indent=1, ensure_ascii=False) + "\n")

    def hold(self) -> bool:
        """False while another run writes it; the kernel lets go when that one ends."""
        self.lock = os.open(self.folder, os.O_RDONLY)
        try:
            fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self.lock)
            return False
        return True

    def let_go(self) -> None:
        os.close(self.lock)


def begin(reports: Path, words: Words, pairs: Sequence[Pair], now: datetime) -> Matrix:
    """The one that was interrupted, when it is the same in everything; else a new one."""
    planned, print_ = [each.name for each in pairs], fingerprint()
    for found in stored(reports):
        same = (found.words, found.fingerprint, found.planned) == (words, print_, planned)
        if same and not found.finished and found.hold():
            return found
    folder = Runs(reports).start(NAME, now)
    new = Matrix(folder, words, print_, planned, now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))
    new.hold()
    return new


def stored(reports: Path) -> Iterator[Matrix]:
    """Newest first; what cannot be read is nobody's to go on with."""
    for folder in Runs(reports).folders():
        try:
            yield read(folder, json.loads((folder / FILE).read_text()))
        except (OSError, ValueError, KeyError, TypeError):
            continue


def read(folder: Path, told: dict[str, Any]) -> Matrix:
    if told.pop("format") != FORMAT:
        raise ValueError(folder)
    told.pop("ratios")
    words, cells = Words(**told.pop("words")), [Cell(**each) for each in told.pop("cells")]
    return Matrix(folder, words, cells=cells, **told)


def fingerprint(root: Path = ROOT, material: Sequence[str] = MATERIAL) -> str:
    digest = sha256()
    for path in files(root, material):
        digest.update(str(path.relative_to(root)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


def files(root: Path, material: Sequence[str]) -> list[Path]:
    found = [
        path for name in material for path in ([root / name] if (root / name).is_file() else (root / name).rglob("*"))
    ]
    return sorted(path for path in found if path.is_file() and not set(path.parts) & set(UNREAD))
