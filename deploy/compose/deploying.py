"""Releases another tree beside the one that serves, and goes back by itself when it does not serve.

The same rules as in deploy/native/deploying.py: all services are one decision, and the moment it is taken is one write
to state.json. While replicas change, nginx is told addresses; before and after it asks for names, so that nothing of
the steady state depends on this program.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import NoReturn

from deploy import launcher, limits
from deploy.compose import input, listing, readiness, static
from deploy.compose.change import Change
from deploy.compose.containers import Container
from deploy.compose.decision import Decision, Targets
from deploy.compose.images import Images
from deploy.compose.record import CHANGING, UP, Built, Record, Standing, built
from deploy.errors import impossible, with_log
from deploy.release import SETTLE_SECONDS, Release, go_back
from deploy.run import show, undisturbed
from deploy.settings import Settings
from deploy.variables import DJANGO, SERVICES

MIGRATE = "migrate"


class Deploying(Decision):
    def __init__(self, change: Change, images: Images, record: Record, checkout: Settings):
        self.change, self.images, self.record, self.checkout = change, images, record, checkout
        self.docker, self.edge, self.say = change.docker, change.edge, change.say
        self.newest: list[Container] = []

    # --- before anything starts

    def prepare(self, wanted: Sequence[str], release: Release) -> Targets:
        with self.prepared():
            commands = launcher.check(self.docker.settings, SERVICES)
            targets = self.images.build(wanted, release, self.checkout)
            input.check_connections(self.docker, self.record.counts, commands)
            self.migrate(next(iter(targets.values())))
            django = next((targets[name] for name in DJANGO if name in targets), None)
            if django:
                self.edge.add_static(static.collected(self.docker, django.image))
        return targets

    def check_return(self, targets: Targets) -> None:
        if gone := [name for name, each in targets.items() if not self.images.there(each)]:
            raise impossible(
                f"the image of {gone[0]} to return to is not there any more; ./ponte deploy builds another"
            )
        commands = {each.service: listing.command(self.docker, each) for each in self.running(SERVICES)}
        limits.check(input.demands(self.docker.settings, self.record.counts, commands))

    @contextmanager
    def prepared(self) -> Iterator[None]:
        """(!) Compose gives a build the tag `latest`; it belongs to what runs."""
        self.record.save(CHANGING)
        try:
            yield
        except BaseException:
            with undisturbed():
                self.images.keep(self.record.releases)
                self.record.save(UP)
            raise
        self.images.tag(self.now())

    def migrate(self, image: Built) -> None:
        """Once, before any replica. (!) The service's own image stays: with another one, a plain `docker compose up`
        would replace its container and then all that depend on it, which is everybody.
        """
        argv = self.docker.compose("run", "--rm", "--no-deps", "-T", MIGRATE)
        show(argv)
        otherwise = {MIGRATE: self.record.releases[MIGRATE].now}
        with self.say.progress("migrating the database") as step, self.images.latest({MIGRATE: image}, otherwise):
            code, lines = self.docker.follow(argv, step)
        if code:
            raise with_log("migrate failed", MIGRATE, lines)

    # --- the switch

    def switch(self, targets: Targets, strategy: str) -> None:
        self.record.toward = dict(targets)
        self.record.save(CHANGING)
        try:
            self.edge.route_to(self.running(targets))
            STRATEGIES[strategy](self, targets)
        except BaseException as error:
            self.go_back(targets, error)
        self.decide(targets)
        self.converge(targets)
        self.say(f"release {self.serving(targets)} serves: {', '.join(targets)}")

    def rolling(self, targets: Targets) -> None:
        """One more replica at a time."""
        for service in targets:
            old = self.change.of(service)
            for turn in range(self.record.counts[service]):
                self.let_in({service: 1}, targets)
                self.let_go(old[turn : turn + 1], targets)

    def bluegreen(self, targets: Targets) -> None:
        """All new ones at once; the old ones leave when that is decided."""
        self.let_in({name: self.record.counts[name] for name in targets}, targets)

    def let_in(self, more: Mapping[str, int], targets: Targets) -> None:
        chosen = {name: targets[name] for name in more}
        otherwise = {name: self.record.releases[name].now for name in more}
        new = self.newest = self.change.start(more, self.images.latest(chosen, otherwise))
        for each in new:
            readiness.try_out(self.docker, each, targets[each.service].release)
        self.edge.route_to(self.running(targets), drained=False)
        with self.say.progress(f"watching {', '.join(f'{each.service} {each.hostname}' for each in new)}"):
            readiness.watch(self.docker, new, SETTLE_SECONDS)
        self.newest = []

    def let_go(self, containers: list[Container], services: Iterable[str]) -> None:
        """Out of routing, and when no worker of nginx sends them anything any more, stopped."""
        if containers:
            gone = {each.id for each in containers}
            self.edge.route_to(each for each in self.running(services) if each.id not in gone)
            self.change.remove(containers)

    def decide(self, targets: Targets) -> None:
        """From here on the new ones are completed, whoever is killed."""
        for name, each in targets.items():
            self.record.releases[name] = Standing(each, self.record.releases[name].now)
        self.record.toward = {}
        self.record.save(CHANGING)

    def go_back(self, targets: Targets, error: BaseException) -> NoReturn:
        """Who failed leaves at once, then everybody of the old release is there again."""

        def undo() -> None:
            there = {each.id for each in self.change.everybody(targets)}
            self.let_go([each for each in self.newest if each.id in there], targets)
            self.converge(targets)

        go_back(error, undo, self.serving(targets), self.say)

    # --- what a killed command left

    def settle(self) -> bool:
        self.take_note()
        if not self.unsettled():
            return False
        self.converge(SERVICES)
        return True

    def take_note(self) -> None:
        """Of what runs and nobody has written down: a plain `docker compose up` started it."""
        before = dict(self.record.releases), self.record.counts
        self.record.adopt(self.change.everybody(SERVICES))
        for name in (*SERVICES, MIGRATE):
            if name not in self.record.releases:
                self.record.releases[name] = Standing(built(self.images.id(name)))
        there = {name: len(self.change.of(name)) or 1 for name in SERVICES}
        self.record.counts = there | self.record.counts
        if before != (self.record.releases, self.record.counts):
            self.record.save()

    def unsettled(self) -> bool:
        found = self.change.everybody(SERVICES)
        counts = {name: sum(each.service == name and each.running for each in found) for name in SERVICES}
        strange = [each for each in found if each.image != self.record.releases[each.service].now.image]
        changing = self.record.phase == CHANGING or bool(self.record.toward)
        return changing or bool(strange) or counts != self.record.counts or not self.edge.by_name()

    def converge(self, services: Iterable[str]) -> None:
        """As many of each service's release as there shall be are ready and routed, by name; then nobody else is there."""
        services = list(services)
        self.images.tag(self.now())
        found = self.change.everybody(services)
        self.change.discard([each for each in found if not each.running])
        alive = [each for each in found if each.running]
        ready = readiness.who_is_ready(self.docker, alive)
        staying = [each for name in services for each in self.fitting(name, ready)]
        lacking = {name: self.record.counts[name] - sum(each.service == name for each in staying) for name in services}
        lacking = {name: count for name, count in lacking.items() if count}
        if lacking or len(staying) < len(alive):
            self.edge.route_to(ready or alive)
            new = self.change.start(lacking) if lacking else []
            self.edge.route_to([*staying, *new])
            self.change.remove([each for each in alive if each not in staying])
        self.record.toward = {}
        self.images.keep(self.record.releases)
        self.edge.release = self.record.word()
        self.edge.route_by_name()
        self.record.save(UP)

    def fitting(self, service: str, ready: Iterable[Container]) -> list[Container]:
        image = self.record.releases[service].now.image
        return [each for each in ready if each.service == service and each.image == image][
            : self.record.counts[service]
        ]

    def running(self, services: Iterable[str]) -> list[Container]:
        return [each for each in self.change.everybody(services) if each.running]


STRATEGIES: dict[str, Callable[[Deploying, Targets], None]] = {
    "rolling": Deploying.rolling,
    "bluegreen": Deploying.bluegreen,
}
