"""What the native engine remembers of a running stack, in .run/state.json."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from deploy import state
from deploy.release import Release, Standing

KEPT_BY = ("native", "systemd")


@dataclass
class Member:
    """A replica of an app."""

    name: str  # flask-1
    service: str
    port: int
    server: str
    workers: int
    runs: Release

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"


@dataclass
class Record:
    project: str
    edge_tree: str  # hash of nginx/ as it runs
    url: str
    given: dict[str, str]  # settings it was started with: later commands need not repeat them
    words: dict[str, str]  # the part of them that is not from .env
    engine: str = "native"
    phase: str = "starting"  # starting, up, changing
    database_port: int | None = None  # None: somebody else's database
    status_port: int | None = None  # of the edge's status page
    about: dict[str, str] = field(default_factory=dict)  # nginx, postgres -> what was found
    releases: dict[str, Standing] = field(default_factory=dict)  # of each service
    toward: dict[str, Release] = field(default_factory=dict)  # what a deploy under way releases
    counts: dict[str, int] = field(default_factory=dict)  # replicas each service shall have
    members: dict[str, Member] = field(default_factory=dict)
    routed: list[str] = field(default_factory=list)  # names nginx sends requests to

    def of(self, service: str) -> list[Member]:
        return [each for each in self.members.values() if each.service == service]

    def staying(self, service: str) -> list[Member]:
        """Members of the service's release, as many as it shall have; those nginx knows come first."""
        fitting = [each for each in self.of(service) if each.runs == self.releases[service].now]
        known = sorted(fitting, key=lambda each: each.name not in self.routed)
        return known[: self.counts[service]]

    def trees(self) -> set[str]:
        """Whatever runs or can be returned to."""
        found = [each.runs for each in self.members.values()] + list(self.toward.values())
        found += [each for one in self.releases.values() for each in (one.now, one.before) if each]
        return {each.tree for each in found}

    def next_name(self, service: str) -> str:
        """The lowest number that is free."""
        taken = {each.name for each in self.of(service)}
        return next(name for n in range(1, 1000) if (name := f"{service}-{n}") not in taken)

    def ports(self) -> set[int]:
        used = {each.port for each in self.members.values()}
        return used | {port for port in (self.database_port, self.status_port) if port}

    def save(self, run: Path) -> None:
        state.write(run, asdict(self))


def load(run: Path) -> Record | None:
    found = state.read(run)
    return revive(found) if found and found["engine"] in KEPT_BY else None


def revive(found: dict[str, Any]) -> Record:
    try:
        again = {
            "members": {name: member(each) for name, each in found["members"].items()},
            "releases": {name: standing(**each) for name, each in found["releases"].items()},
            "toward": {name: Release(**each) for name, each in found["toward"].items()},
        }
        return Record(**{**found, **again})
    except (TypeError, KeyError, AttributeError):
        raise state.Damaged from None


def member(found: dict[str, Any]) -> Member:
    return Member(**{**found, "runs": Release(**found["runs"])})


def standing(now: dict[str, str], before: dict[str, str] | None) -> Standing:
    return Standing(Release(**now), Release(**before) if before else None)
