"""What keeps the processes of a stack that has no containers: supervisor (keeper.py), or systemd (deploy/systemd/).

The controller (change.py, deploying.py, start.py) decides who runs and in which order; it knows this interface alone.
"""

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Iterator
from typing import Any, ClassVar

from deploy.native.layout import Layout
from deploy.native.programs import Program
from deploy.native.record import Record
from deploy.release import Release

Info = dict[str, Any]  # name, statename (a word of supervisor's), pid, start (seconds since 1970)


class Keeping(ABC):
    engine: ClassVar[str]

    def __init__(self, layout: Layout):
        self.layout = layout

    @abstractmethod
    def start(self) -> None:
        """The keeper itself, before anybody is added."""

    @abstractmethod
    def alive(self) -> bool: ...

    @abstractmethod
    def programs(self) -> dict[str, Info]:
        """Name -> what is known of it; empty when there is no keeper."""

    @abstractmethod
    def add(self, programs: Iterable[Program]) -> None:
        """Starts them at once, beside what runs already."""

    @abstractmethod
    def start_again(self, names: Iterable[str]) -> None: ...

    @abstractmethod
    def stop(self, names: Iterable[str], patience: float) -> None:
        """All at once; returns when the last one is gone."""

    @abstractmethod
    def remove(self, names: Iterable[str], patience: float) -> None:
        """Stops them, and nobody starts them again."""

    @abstractmethod
    def shutdown(self, patience: float) -> None:
        """The keeper itself, after everybody."""

    @abstractmethod
    def once(self, program: Program) -> bool:
        """Runs it to its end; True when it did what it should."""

    @abstractmethod
    def places(
        self, record: Record, service: str, count: int, release: Release, taken: Collection[int] = ()
    ) -> Iterator[tuple[str, int]]:
        """Names and ports for new replicas. Whoever takes one writes it into the record before asking for the next."""

    def state(self, name: str) -> str:
        return self.programs().get(name, {}).get("statename", "ABSENT")
