"""Releases images in a Swarm, whose engine does the replacing; what is one decision, and recorded, is done here.

The rules are those of deploy/compose/deploying.py: all services or none, and the moment of the decision is one write to
state.json. A release that does not get ready, or does not last, is taken back by the engine (overlay.yaml); the services
that got through go back with it.
"""

from collections.abc import Iterable, Mapping, Sequence

from deploy import launcher, limits
from deploy.compose import input, listing, readiness, static
from deploy.compose.containers import listed
from deploy.compose.decision import Decision, Targets
from deploy.compose.deploying import MIGRATE
from deploy.compose.edge import Edge
from deploy.compose.images import Images
from deploy.compose.record import CHANGING, UP, Built, Record, Standing, short
from deploy.errors import Failure
from deploy.release import Release, go_back
from deploy.settings import Settings
from deploy.swarm import secrets
from deploy.swarm.cluster import Cluster
from deploy.swarm.stack import LASTING, RELEASE_SECONDS, Stack
from deploy.variables import DJANGO, SERVICES

BUILT = (*SERVICES, MIGRATE, "nginx")


class Releasing(Decision):
    def __init__(self, cluster: Cluster, record: Record, checkout: Settings):
        self.cluster, self.record, self.checkout, self.say = cluster, record, checkout, cluster.say
        self.stack, self.images = Stack(cluster), Images(cluster)

    # --- what `up` begins with

    def first(self, release: Release) -> None:
        """PostgreSQL and the migration, then everybody."""
        made = {name: Built(release.tree, release.release, self.images.id(name)) for name in BUILT}
        self.record.releases = {name: Standing(self.published(name, each)) for name, each in made.items()}
        self.record.rest["secrets"] = secrets.made(self.cluster)
        self.record.save()
        self.put(self.now(), only=("postgres",))
        self.stack.wait(("postgres",), {}, readiness.READY_SECONDS)
        self.put(self.now(), only=(MIGRATE,))
        self.stack.migrated()
        self.put(self.now())
        self.stack.wait(LASTING, self.named(self.now()), readiness.READY_SECONDS)
        self.prune()

    def published(self, name: str, each: Built) -> Built:
        """Under a tag that no other release has, and where the nodes find it."""
        reference = self.reference(name, each)
        self.cluster.ask("docker", "tag", each.image, reference)
        if self.checkout.registry:
            self.images.push(reference)
        return each

    def reference(self, name: str, each: Built) -> str:
        before = f"{self.checkout.registry}/" if self.checkout.registry else ""
        return f"{before}{self.cluster.settings.project}-{name}:{short(each.image)}"

    def named(self, images: Targets) -> dict[str, str]:
        return {name: self.reference(name, each) for name, each in images.items()}

    def put(self, images: Targets, only: Iterable[str] = (), together: bool = False) -> None:
        counts = self.record.counts
        self.stack.put(self.named(images), self.record.rest["secrets"], counts, only, together)

    # --- releases

    def prepare(self, wanted: Sequence[str], release: Release) -> Targets:
        commands = launcher.check(self.cluster.settings, SERVICES)
        input.check_connections(self.cluster, self.record.counts, commands)
        made = self.images.build([*wanted, MIGRATE], release, self.checkout)
        targets = {name: self.published(name, each) for name, each in made.items()}
        self.migrate(targets.pop(MIGRATE))
        if django := next((targets[name] for name in DJANGO if name in targets), None):
            self.add_static(django)
        return targets

    def check_return(self, targets: Targets) -> None:
        limits.check(self.demands(self.record.counts))

    def migrate(self, image: Built) -> None:
        """Once, before any replica. An image that has run already changes nothing and is not run again."""
        self.put({**self.now(), MIGRATE: image}, only=(MIGRATE,))
        try:
            self.stack.migrated()
        except Failure:
            self.put(self.now(), only=(MIGRATE,))
            raise
        self.record.releases[MIGRATE] = Standing(image)
        self.record.save()

    def add_static(self, django: Built) -> None:
        """Beside those of nginx's image, on this node. (!) The others have them with the next image of nginx."""
        files = static.collected(self.cluster, django.image)
        for each in self.edges():
            each.add_static(files)
            each.route_by_name()
        if elsewhere := self.edges_elsewhere():
            self.say(f"nginx on {elsewhere} other nodes has no new static files; ./ponte restart SERVICE=nginx gives it them")  # fmt: skip

    def edges(self) -> list[Edge]:
        here = [each for each in listed(self.cluster) if each.service == "nginx" and each.running]
        return [Edge(self.cluster, each, self.record.word()) for each in here]

    def edges_elsewhere(self) -> int:
        tasks = self.cluster.tasks()
        return sum(each.service == "nginx" and each.running and each.node != self.cluster.node for each in tasks)

    def switch(self, targets: Targets, strategy: str) -> None:
        together = strategy == "bluegreen"
        self.record.toward = dict(targets)
        self.record.save(CHANGING)
        try:
            for group in [list(targets)] if together else [[name] for name in targets]:
                self.replace({name: targets[name] for name in group}, together)
        except BaseException as error:
            go_back(error, lambda: self.converge(targets), self.serving(targets), self.say)
        for name, each in targets.items():
            self.record.releases[name] = Standing(each, self.record.releases[name].now)
        self.record.toward = {}
        self.record.save(UP)
        self.prune()
        self.say(f"release {self.serving(targets)} serves: {', '.join(targets)}")

    def replace(self, targets: Targets, together: bool) -> None:
        images = {**self.now(), **targets}
        self.put(images, only=targets, together=together)
        self.stack.wait(targets, self.named(images), RELEASE_SECONDS)
        self.try_out(targets)

    def try_out(self, targets: Targets) -> None:
        """Those of this node, who can be asked from within."""
        for each in listed(self.cluster):
            if each.service in targets and each.running:
                readiness.try_out(self.cluster, each, targets[each.service].release)

    # --- changes without a release

    def scale(self, service: str, replicas: int) -> None:
        self.record.counts = self.record.counts | {service: replicas}
        self.put(self.now(), only=(service,))
        self.stack.wait((service,), self.named(self.now()), RELEASE_SECONDS)
        self.record.save()

    def restart(self, services: Iterable[str]) -> None:
        for name in services:
            self.stack.again(name)
        self.stack.wait(services, self.named(self.now()), RELEASE_SECONDS)

    def reload(self) -> None:
        """(!) Another certificate, or another node's edge, is another container: the port is closed until the old one has ended."""
        if self.other_secrets() or self.edges_elsewhere():
            self.cluster.run(*self.cluster.compose("build", "nginx"), text="building the image of nginx")
            made = Built(self.record.word() or "edge", self.checkout.release, self.images.id("nginx"))
            self.record.releases["nginx"] = Standing(self.published("nginx", made))
            self.replace_edge()
        else:
            for each in self.edges():
                each.take_in(self.checkout.root)

    def renew_certificate(self) -> bool:
        """True when the old one would end soon."""
        if other := self.other_secrets():
            self.replace_edge()
        return other

    def other_secrets(self) -> bool:
        known = self.record.rest["secrets"]
        now = {name: each for name, each in known.items() if name not in secrets.EDGE} | secrets.edge(self.cluster)
        self.record.rest["secrets"] = now
        return now != known

    def replace_edge(self) -> None:
        self.say(
            "nginx is replaced, node by node: its ports are closed until its last WebSocket has ended, 60 s at most"
        )
        self.put(self.now(), only=("nginx",))
        self.stack.wait(("nginx",), self.named(self.now()), RELEASE_SECONDS)
        self.record.save()
        self.prune()

    def migrate_again(self) -> None:
        self.stack.again(MIGRATE)
        self.stack.migrated()

    def forget_images(self) -> None:
        for name in BUILT:
            self.images.remove(self.images.of(self.images.named(name).rpartition(":")[0]))

    # --- what a killed command left

    def settle(self) -> bool:
        if self.record.phase == UP and not self.record.toward and not self.strange():
            return False
        self.converge(SERVICES)
        return True

    def strange(self) -> bool:
        """Somebody else, or a killed command, changed what the Swarm has."""
        found, images = self.cluster.services(), self.named(self.now())
        missing = set(LASTING) - found.keys()
        other = [name for name in SERVICES if name in found and not found[name].image.startswith(images[name])]
        counts = [name for name in SERVICES if name in found and found[name].replicas != self.record.counts[name]]
        return bool(missing or other or counts)

    def converge(self, services: Iterable[str]) -> None:
        """What is recorded as running runs."""
        self.record.toward = {}
        there = self.cluster.services()
        self.put(self.now(), only=() if set(LASTING) - there.keys() else tuple(services))
        self.stack.wait(services, self.named(self.now()), RELEASE_SECONDS)
        self.record.save(UP)
        self.prune()

    def prune(self) -> None:
        """Tags and secrets that nothing can return to."""
        standings = self.record.releases.items()
        kept = {self.reference(name, each) for name, one in standings for each in (one.now, one.before) if each}
        for name in BUILT:
            family = self.reference(name, self.record.releases[name].now).rpartition(":")[0]
            self.images.remove(self.images.of(family) - kept - {f"{family}:latest"})
        secrets.remove(self.cluster, set(self.record.rest["secrets"].values()))

    def demands(self, counts: Mapping[str, int]) -> dict[str, limits.Demand]:
        here = {each.service: listing.command(self.cluster, each) for each in listed(self.cluster) if each.app}
        return input.demands(self.cluster.settings, counts, {name: here.get(name, "") for name in SERVICES})
