"""The engine on the nodes of a Docker Swarm: containers as in compose, kept and replaced by the Swarm itself."""

import sys
from collections.abc import Iterator, Mapping
from subprocess import DEVNULL

from deploy import limits, state
from deploy.compose import input as images_and_settings
from deploy.compose import listing
from deploy.compose.record import Record
from deploy.engines.base import Replica
from deploy.engines.compose import EDGE, LOG_LINES, NOTHING_UP, Compose
from deploy.errors import impossible
from deploy.listing import urls
from deploy.settings import Settings
from deploy.swarm import input, secrets
from deploy.swarm.cluster import BEGINNING, Cluster, Task
from deploy.swarm.releasing import Releasing
from deploy.swarm.stack import LASTING
from deploy.tree import tree
from deploy.variables import SERVICES


class Swarm(Compose):
    name = "swarm"
    docker: Cluster

    def speaks(self, settings: Settings) -> Cluster:
        return Cluster(settings, self.say)

    def up(self) -> None:
        input.refuse_no_manager(self.docker)
        if self.docker.services():
            return self.up_again()
        self.record, self.docker = {}, self.speaks(self.settings)
        commands = input.check(self.docker)
        self.images.obtain(self.settings)
        images_and_settings.check_connections(self.docker, self.settings.replicas, commands)
        with self.undone_on_failure():
            self.write()
            self.releasing().first(self.brought())
        self.say(f"the ports {self.settings.http_port} and {self.settings.https_port} are open at every address of the nodes")  # fmt: skip
        urls(self.settings, self.ps(), self.say)

    def take_away(self) -> None:
        self.releasing().stack.remove()

    def up_again(self) -> None:
        releasing = self.releasing()
        changed = releasing.settle()
        if releasing.renew_certificate():
            self.say("the certificate was renewed")
        self.say(f"the stack is up at {self.remembered.url}; " + ("what differed is put right" if changed else "nothing was changed"))  # fmt: skip
        for line in self.differences():
            self.say(line)
        urls(self.remembered, self.ps(), self.say)

    def down(self) -> None:
        if not self.docker.services():
            state.forget(self.settings.run)
            raise impossible(NOTHING_UP)
        self.take_away()
        state.forget(self.settings.run)

    def remove(self) -> None:
        """(!) The data of other nodes stay there: docker volume rm removes them."""
        releasing, project = self.releasing(), self.docker.settings.project
        if self.docker.services():
            releasing.stack.remove()
        volumes = self.docker.ask("docker", "volume", "ls", "--quiet", "--filter", f"name={project}-swarm_").split()
        if volumes:
            self.docker.run("docker", "volume", "rm", *volumes, text="removing the data")
        secrets.remove(self.docker, set())
        releasing.forget_images()

    def ps(self) -> list[Replica]:
        """(!) Of another node's replicas it is known whether they are healthy, not what they use."""
        here = {each.id: each for each in listing.replicas(self.docker)}
        tasks = [each for each in self.docker.tasks() if each.wanted and each.service in LASTING]
        found = [here.get(each.container) or elsewhere(each) for each in tasks]
        return sorted(found, key=lambda each: LASTING.index(each.service))

    def ready(self, service: str) -> int:
        return sum(each.running for each in self.docker.tasks() if each.service == service)

    def logs(self, service: str | None, follow: bool) -> None:
        """(!) `docker service logs` knows one service at a time."""
        for name in [service] if service else LASTING:
            words = ("--tail", LOG_LINES, *(["--follow"] if follow else []))
            argv = ["docker", "service", "logs", *words, f"{self.docker.settings.project}_{name}"]
            self.docker.hand_over(argv) if sys.stdout.isatty() else self.docker.print(argv)

    def edge_log(self, since: float) -> Iterator[str]:
        name = f"{self.docker.settings.project}_nginx"
        argv = ("docker", "service", "logs", "--raw", "--no-trunc", "--since", f"{since:.3f}", name)
        with self.docker.started(argv, DEVNULL) as process:
            yield from process.stdout or ()
        if process.returncode:
            raise impossible(f"docker does not give the log of {name}")

    def restart(self, service: str | None) -> None:
        self.must_be_up()
        if service == "nginx":
            return self.reload()
        if service == "postgres":
            self.say("restarting PostgreSQL; until it answers again the apps say 503")
        self.releasing().restart([service] if service else SERVICES)

    def scale(self, service: str, replicas: int) -> None:
        self.must_be_up()
        releasing = self.releasing()
        releasing.settle()
        counts = releasing.record.counts | {service: replicas}
        limits.check(releasing.demands(counts))
        if counts == releasing.record.counts:
            return self.say(f"{service} has {replicas} replicas already")
        releasing.scale(service, replicas)
        self.say(f"{service} has {replicas} replicas")

    def releases(self) -> Releasing:
        self.must_be_up()
        return self.releasing()

    def releasing(self) -> Releasing:
        return Releasing(self.docker, Record(self.settings.run, self.record), self.settings)

    def reload(self) -> None:
        """Of this node's edge as in compose. (!) Another node's is replaced by one with the new configuration."""
        settings = self.reloaded()
        images_and_settings.refuse_unreadable_files(settings)
        cluster = self.speaks(settings)
        releasing = Releasing(cluster, Record(self.settings.run, self.record), settings)
        releasing.reload()
        self.record |= {"edge_tree": tree(settings.root, EDGE), "given": dict(settings.given)}
        state.write(self.settings.run, self.record)
        self.say("nginx has the new configuration")

    def config(self) -> Mapping[str, str]:
        found = dict(super().config())
        return {"compose.yaml and deploy/swarm/overlay.yaml": found.pop("compose.yaml"), **found}

    def migrate(self) -> None:
        self.releasing().migrate_again()

    def must_be_up(self) -> None:
        if not self.docker.services():
            raise impossible(NOTHING_UP)


def elsewhere(each: Task) -> Replica:
    state = "starting" if each.state in BEGINNING else each.state
    return Replica(each.service, each.container[:12] or each.id[:12], state, each.running, id=each.container)
