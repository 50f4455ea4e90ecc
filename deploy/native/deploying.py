"""Releases another tree beside the one that serves, and goes back by itself when it does not serve.

New members are ready and answer as they should before nginx sends them anything; they are watched while the old ones
still serve beside them; then the old ones leave. All services are one decision, and the moment it is taken is one
write to state.json: whoever is killed before it is taken back by the next command, whoever is killed after it is
finished by it.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NoReturn

from deploy.errors import Failure, impossible
from deploy.native import django, releases, replicas
from deploy.native.change import Change
from deploy.native.record import Member
from deploy.release import SETTLE_SECONDS, Release, Standing, go_back, of_checkout, refuse, serving
from deploy.settings import Settings
from deploy.variables import DJANGO, SERVICES

Targets = Mapping[str, Release]


class Deploying:
    def __init__(self, change: Change, checkout: Settings):
        self.change, self.checkout = change, checkout  # the settings of this command; change has those of the stack
        self.record, self.say, self.layout = change.record, change.say, change.layout
        self.newest: list[Member] = []

    def deploy(self, services: Sequence[str], strategy: str) -> None:
        targets = {name: of_checkout(self.checkout, self.record.releases[name].now) for name in services}
        targets = {name: each for name, each in targets.items() if each != self.record.releases[name].now}
        if not targets:
            left = "what a cut-short command left is put right" if self.change.settle() else "nothing was changed"
            return self.say(f"release {self.serving(services)} runs already; {left}")
        self.settle_others(targets)
        release = next(iter(targets.values()))
        try:
            releases.take(release.tree, self.checkout, self.layout)
            self.change.check(release, self.record.counts)
            self.prepare(release, targets)
        except Failure as error:
            releases.forget_others(self.record, self.layout)
            refuse(error, f"nothing was changed, release {self.serving(targets)} serves")
        self.switch(targets, strategy)

    def rollback(self, services: Sequence[str]) -> None:
        if self.record.toward:
            self.change.settle()
            return self.say(f"a deploy was cut short; it is taken back, release {self.serving(services)} serves")
        standings = {name: self.record.releases[name] for name in services}
        targets = {name: each.before for name, each in standings.items() if each.before}
        if not targets:
            raise impossible("there is nothing to return to; ./ponte deploy releases another tree")
        for release in targets.values():
            self.change.check(release, self.record.counts)
        self.settle_others(targets)
        self.collect(targets)
        self.switch(targets, "rolling")

    def settle_others(self, targets: Targets) -> None:
        """What a killed command left of services that are not touched now."""
        if self.change.unsettled():
            self.change.converge(name for name in SERVICES if name not in targets)

    def prepare(self, release: Release, targets: Targets) -> None:
        """Packages, migrations, static files: nothing of it is seen by what runs."""
        settings, layout = self.change.settings, self.layout
        releases.equip(release.tree, settings, layout, self.say)
        with self.say.progress("migrating the database, collecting static files"):
            django.migrate(release.tree, settings, layout, self.change.keeper)
            self.collect(targets)

    def collect(self, targets: Targets) -> None:
        """Also on the way back: Django reads from them by which names the files of its own release go."""
        for tree in {each.tree for name, each in targets.items() if name in DJANGO}:
            django.collect(tree, self.change.settings, self.layout, self.change.keeper)

    def switch(self, targets: Targets, strategy: str) -> None:
        self.record.toward = dict(targets)
        self.record.save(self.layout.run)
        try:
            STRATEGIES[strategy](self, targets)
        except BaseException as error:
            self.go_back(targets, error)
        self.decide(targets)
        self.change.shrink(self.change.going(targets))
        releases.forget_others(self.record, self.layout)
        self.say(f"release {self.serving(targets)} serves: {', '.join(targets)}")

    def rolling(self, targets: Targets) -> None:
        """One more replica at a time."""
        for service, release in targets.items():
            old = self.record.of(service)
            for turn in range(self.record.counts[service]):
                self.let_in(self.change.new(service, 1, release))
                self.let_go(old[turn : turn + 1])
            self.let_go(old[self.record.counts[service] :])

    def bluegreen(self, targets: Targets) -> None:
        """All new ones at once; the old ones leave when that is decided."""
        counts = self.record.counts
        self.let_in([each for name, one in targets.items() for each in self.change.new(name, counts[name], one)])

    def let_in(self, members: list[Member]) -> None:
        self.newest = members
        names = ", ".join(each.name for each in members)
        self.change.start(members)
        for each in members:
            replicas.try_out(each, self.layout)
        self.change.enter(members)
        with self.say.progress(f"watching {names}"):
            replicas.watch(members, SETTLE_SECONDS, self.change.keeper, self.layout)
        self.newest = []

    def let_go(self, members: list[Member]) -> None:
        if members:
            self.say(f"stopping {', '.join(each.name for each in members)}")
            self.change.shrink(members)

    def decide(self, targets: Targets) -> None:
        for name, release in targets.items():
            self.record.releases[name] = Standing(release, self.record.releases[name].now)
        self.record.toward = {}
        self.record.save(self.layout.run)

    def go_back(self, targets: Targets, error: BaseException) -> NoReturn:
        """Who failed leaves at once, then everybody of the old release is there again."""

        def undo() -> None:
            self.change.shrink([each for each in self.newest if each.name in self.record.members])
            self.change.converge(targets)
            self.collect({name: self.record.releases[name].now for name in targets})

        go_back(error, undo, self.serving(targets), self.say)

    def serving(self, services: Sequence[str] | Targets) -> str:
        return serving(self.record.releases, services)


STRATEGIES: dict[str, Callable[[Deploying, Targets], None]] = {
    "rolling": Deploying.rolling,
    "bluegreen": Deploying.bluegreen,
}
