"""The store: one folder a run below reports/, with run.json as the truth and index.html rendered from it."""

import os
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from loadtests.report.disk import Unwritable, make, replace
from loadtests.report.document import FORMAT, NAME, NotARun, Run, as_json, exists, read

__all__ = ["FORMAT", "REPORTS", "NotARun", "Run", "Runs", "Unwritable"]

EXPERIMENT = re.compile(r"[a-z0-9-]+")
SUGGESTIONS = 5
REPORTS = Path(__file__).resolve().parents[2] / (os.environ.get("PONTE_REPORTS") or "reports")


class Runs:
    """The runs in one folder; nothing is read or written before it is asked for."""

    def __init__(self, folder: Path | str):
        self.folder = Path(folder)

    def start(self, experiment: str, at: datetime) -> Path:
        """The new, empty folder of a run that starts `at` (naive means UTC); its name is the run's id."""
        if not EXPERIMENT.fullmatch(experiment):
            raise ValueError(f"experiment={experiment!r} cannot be part of a folder's name")
        name = f"{_utc(at):%Y%m%d-%H%M%S}-{experiment}"
        return make(self.folder, name)

    def save(self, path: Path, run: Run) -> None:
        """run.json first and whole, then its page, then the index; the raw samples should be there already."""
        replace(path / "run.json", as_json(run))
        self.publish(path)

    def publish(self, path: Path) -> None:
        """Renders a stored run's page, and the index, anew."""
        from loadtests.report import index, render  # here: jinja2 and matplotlib cost a second and 50 MB

        replace(path / "index.html", render.page(read(path), files=raw_files(path)))
        index.renew(self.folder)

    def load(self, path_or_id: Path | str) -> Run:
        """Raises NotARun: missing, damaged, or of another format."""
        return read(self.where(path_or_id))

    def where(self, path_or_id: Path | str) -> Path:
        """The folder of a run given by its id, its folder or its run.json."""
        given = Path(path_or_id)
        folder = given.parent if given.name in ("run.json", "index.html") else given
        for path in (self.folder / folder, folder):
            if folder.name and exists(path / "."):
                return path
        raise NotARun(f"there is no run {str(path_or_id)!r:.100} in {self.folder}; {self._choices()}")

    def latest(self, experiment: str) -> Path | None:
        """The folder of the newest readable run of that experiment."""
        return next((path for path, run in self.readable() if run["experiment"] == experiment), None)

    def readable(self) -> Iterator[tuple[Path, Run]]:
        """(folder, run), newest first."""
        for path in self.folders():
            try:
                yield path, read(path)
            except NotARun:
                continue

    def folders(self) -> list[Path]:
        """Runs or not, newest first."""
        if not self.folder.is_dir():
            return []
        return sorted((path for path in self.folder.iterdir() if path.is_dir()), key=age, reverse=True)

    def _choices(self) -> str:
        names = [path.name for path in self.folders() if NAME.fullmatch(path.name)][:SUGGESTIONS]
        return f"choose from {', '.join(names)}" if names else "make one with ./ponte load"


def raw_files(path: Path) -> list[str]:
    """What the page links to: run.json, then samples and histograms that are there."""
    found = sorted(file.name for kind in ("*.npz", "*.hgrm") for file in path.glob(kind))
    return ["run.json", *found]


def age(path: Path) -> tuple[str, int]:
    """Sorts `…-load-10` behind `…-load-9`: runs that began in one second are numbered."""
    stem, _, number = path.name.rpartition("-")
    return (stem, int(number)) if NAME.fullmatch(stem) and number.isdecimal() else (path.name, 1)


def _utc(at: datetime) -> datetime:
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
