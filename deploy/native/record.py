"""What the native engine remembers of a running stack, in .run/state.json."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from deploy import state


@dataclass
class Member:
    """A replica of an app."""

    name: str  # flask-1
    service: str
    port: int
    server: str
    workers: int

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"


@dataclass
class Record:
    project: str
    release: str
    tree: str  # hash of apps/ as the replicas run it
    edge_tree: str  # hash of nginx/ as it runs
    url: str
    given: dict[str, str]  # settings it was started with: later commands need not repeat them
    words: dict[str, str]  # the part of them that is not from .env
    engine: str = "native"
    phase: str = "starting"  # starting, up, changing
    database_port: int | None = None  # None: somebody else's database
    about: dict[str, str] = field(default_factory=dict)  # nginx, postgres -> what was found
    members: dict[str, Member] = field(default_factory=dict)
    routed: list[str] = field(default_factory=list)  # names nginx sends requests to

    def of(self, service: str) -> list[Member]:
        return [each for each in self.members.values() if each.service == service]

    def next_name(self, service: str) -> str:
        """The lowest number that is free."""
        taken = {each.name for each in self.of(service)}
        return next(name for n in range(1, 1000) if (name := f"{service}-{n}") not in taken)

    def ports(self) -> set[int]:
        used = {each.port for each in self.members.values()}
        return used | ({self.database_port} if self.database_port else set())

    def save(self, run: Path) -> None:
        state.write(run, asdict(self))


def load(run: Path) -> Record | None:
    found = state.read(run)
    return revive(found) if found and found["engine"] == "native" else None


def revive(found: dict[str, Any]) -> Record:
    try:
        members = {name: Member(**each) for name, each in found.get("members", {}).items()}
        return Record(**{**found, "members": members})
    except TypeError:
        raise state.Damaged from None
