"""What a release of containers is before anything is replaced: which services, of what, and whether there is anything to do.

Whoever replaces them (deploying.py on one machine, deploy/swarm/releasing.py) says how.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence

from deploy.compose.pins import offered
from deploy.compose.record import Built, Record
from deploy.console import Console
from deploy.errors import Failure, impossible
from deploy.release import Release, refuse, serving
from deploy.settings import Settings

Targets = Mapping[str, Built]  # by service


class Decision(ABC):
    record: Record
    checkout: Settings
    say: Console

    def deploy(self, services: Sequence[str], strategy: str) -> None:
        settled = self.settle()
        running = {name: self.record.releases[name].now.runs for name in services}
        wanted = {name: offered(self.checkout, now) for name, now in running.items()}
        wanted = {name: each for name, each in wanted.items() if each != running[name]}
        if not wanted:
            left = "what a cut-short command left is put right" if settled else "nothing was changed"
            return self.say(f"release {self.serving(services)} runs already; {left}")
        try:
            targets = self.prepare(list(wanted), next(iter(wanted.values())))
        except Failure as error:
            refuse(error, f"nothing was changed, release {self.serving(wanted)} serves")
        self.switch(targets, strategy)

    def rollback(self, services: Sequence[str]) -> None:
        cut_short = bool(self.record.toward)
        self.settle()
        if cut_short:
            return self.say(f"a deploy was cut short; it is taken back, release {self.serving(services)} serves")
        standings = {name: self.record.releases[name] for name in services}
        targets = {name: each.before for name, each in standings.items() if each.before}
        if not targets:
            raise impossible("there is nothing to return to; ./ponte deploy releases another tree")
        self.check_return(targets)
        self.switch(targets, "rolling")

    def serving(self, services: Iterable[str]) -> str:
        return serving(self.record.releases, services)

    def now(self) -> dict[str, Built]:
        return {name: each.now for name, each in self.record.releases.items()}

    @abstractmethod
    def settle(self) -> bool:
        """What a killed command left is put right before anything else begins; True when there was something."""

    @abstractmethod
    def prepare(self, wanted: Sequence[str], release: Release) -> Targets:
        """Images, migrations, static files: nothing of it is seen by what runs."""

    @abstractmethod
    def check_return(self, targets: Targets) -> None:
        """Raises when what was before cannot run any more."""

    @abstractmethod
    def switch(self, targets: Targets, strategy: str) -> None:
        """The new ones serve and nobody else, or the old ones do and it raises."""
