"""What each service of a project runs and can go back to: images, in .run/state.json."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from deploy import release, state
from deploy.compose.containers import Container
from deploy.release import UNNAMED, Release
from deploy.variables import SERVICES

CHANGING, UP = "changing", "up"


@dataclass(frozen=True)
class Built(Release):
    """A release as the image of one service."""

    image: str  # id

    @property
    def runs(self) -> Release:
        return Release(self.tree, self.release)

    @property
    def noted(self) -> bool:
        """False for one that a plain `docker compose up` has brought: nobody knows its tree."""
        return self.tree != short(self.image)


@dataclass(frozen=True)
class Standing(release.Standing):
    now: Built
    before: Built | None = None


class Record:
    """The part of state.json that a release changes; the rest of it stays as it is."""

    def __init__(self, run: Path, rest: state.State):
        self.run, self.rest = run, rest
        self.phase: str = rest.get("phase", UP)
        self.releases = {name: standing(**each) for name, each in rest.get("releases", {}).items()}
        self.toward = {name: Built(**each) for name, each in rest.get("toward", {}).items()}  # a release under way
        self.counts: dict[str, int] = rest.get("counts", {})

    def save(self, phase: str = "") -> None:
        self.phase = phase or self.phase
        releases = {name: asdict(each) for name, each in self.releases.items()}
        toward = {name: asdict(each) for name, each in self.toward.items()}
        self.rest |= {"phase": self.phase, "releases": releases, "toward": toward, "counts": self.counts}
        state.write(self.run, self.rest)

    def adopt(self, containers: Iterable[Container]) -> None:
        """What a plain `docker compose up` has brought runs."""
        if self.phase == CHANGING:
            return
        running = [each for each in containers if each.running]
        for name in SERVICES:
            known = self.releases.get(name)
            found = {each.image: each for each in running if each.service == name}
            if found and not (known and known.now.image in found):
                self.releases[name] = Standing(built(*found.popitem()))

    def word(self) -> str:
        """Of everything that runs, for the edge's cache."""
        known = {self.releases[name].now for name in SERVICES if name in self.releases}
        return "-".join(sorted({f"{each.release}-{each.tree}" for each in known}))


def standing(now: dict[str, Any], before: dict[str, Any] | None) -> Standing:
    return Standing(Built(**now), Built(**before) if before else None)


def built(image: str, found: Container | None = None) -> Built:
    """Of an unknown tree, which goes by the image's short id."""
    word = found.environment.get("RELEASE") if found else ""
    return Built(short(image), word or UNNAMED, image)


def short(image: str) -> str:
    return image.rpartition(":")[2][:12]
