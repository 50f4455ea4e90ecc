"""Changes the replicas of a running stack without a lost request: nobody stops who is still in nginx's routing."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import zip_longest

from deploy.compose.containers import Container, listed
from deploy.compose.docker import Docker
from deploy.compose.edge import Edge
from deploy.compose.readiness import wait_ready


class Change:
    def __init__(self, docker: Docker, edge: Edge):
        self.docker, self.edge, self.say = docker, edge, docker.say

    def of(self, service: str) -> list[Container]:
        return [each for each in listed(self.docker) if each.service == service and each.running]

    def scale(self, service: str, count: int) -> None:
        now = self.of(service)
        if count == len(now):
            return self.say(f"{service} has {count} replicas already")
        if count > len(now):
            self.grow(service, count)
        else:
            self.shrink(now[count:])
        self.say(f"{service} has {count} replicas")

    def grow(self, service: str, count: int) -> list[Container]:
        """The new ones, ready, then in routing; those that do not get ready are taken away again."""
        now = self.of(service)
        words = ("--detach", "--no-deps", "--no-recreate", "--no-build", "--scale", f"{service}={count}", service)
        with self.by_name_in_the_end():
            self.edge.route_to(now)
            try:
                self.docker.run(*self.docker.compose("up", *words), text=f"starting {service}")
                wait_ready(self.docker, self.newer(service, now))
            except BaseException:
                self.remove(self.newer(service, now))
                raise
        return self.newer(service, now)

    def newer(self, service: str, known: Iterable[Container]) -> list[Container]:
        ids = {each.id for each in known}
        return [each for each in listed(self.docker) if each.service == service and each.id not in ids]

    def shrink(self, containers: list[Container]) -> None:
        with self.by_name_in_the_end():
            self.leave(containers)
            self.remove(containers)

    def restart(self, services: Iterable[str]) -> None:
        """Round by round: one replica of each service at a time, so the others carry on."""
        replicas = {each: self.of(each) for each in services}
        spare = [new for name, found in replicas.items() if len(found) == 1 for new in self.grow(name, 2)]
        with self.by_name_in_the_end():
            for turn in zip_longest(*replicas.values()):
                self.renew([each for each in turn if each])
        if spare:
            self.shrink(spare)

    def renew(self, containers: list[Container]) -> None:
        if not containers:
            return
        self.leave(containers)
        self.stop(containers)
        self.docker.run("docker", "start", *(each.hostname for each in containers), text="starting them again")
        wait_ready(self.docker, containers)

    def leave(self, containers: list[Container]) -> None:
        gone = {each.id for each in containers}
        services = {each.service for each in containers}
        self.edge.route_to(each for name in services for each in self.of(name) if each.id not in gone)

    def stop(self, containers: list[Container]) -> None:
        names = ", ".join(f"{each.service} {each.hostname}" for each in containers)
        seconds = str(max(each.stop_seconds for each in containers))
        ids = (each.hostname for each in containers)
        self.docker.run("docker", "stop", "-t", seconds, *ids, text=f"stopping {names}")

    def remove(self, containers: list[Container]) -> None:
        if containers:
            self.stop(containers)
            self.docker.ask("docker", "rm", "--force", "--volumes", *(each.id for each in containers), check=False)

    @contextmanager
    def by_name_in_the_end(self) -> Iterator[None]:
        """Whatever happens, nginx finds the replicas by name again, those that come back by themselves too."""
        try:
            yield
        finally:
            self.edge.route_by_name()
