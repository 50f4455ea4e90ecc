"""Changes the replicas of a running stack without a lost request: nobody stops who is still in nginx's routing."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from itertools import zip_longest

from deploy.compose.containers import Container, listed
from deploy.compose.docker import Docker
from deploy.compose.edge import Edge
from deploy.compose.readiness import wait_ready

Making = AbstractContextManager[None]


class Change:
    def __init__(self, docker: Docker, edge: Edge):
        self.docker, self.edge, self.say = docker, edge, docker.say

    def of(self, service: str) -> list[Container]:
        return [each for each in self.everybody([service]) if each.running]

    def everybody(self, services: Iterable[str]) -> list[Container]:
        """Those that have ended too."""
        services = list(services)
        return [each for each in listed(self.docker) if each.service in services]

    def scale(self, service: str, count: int) -> None:
        now = self.of(service)
        if count == len(now):
            return self.say(f"{service} has {count} replicas already")
        if count > len(now):
            with self.by_name_in_the_end():
                self.edge.route_to(now)
                self.start({service: count - len(now)})
        else:
            self.shrink(now[count:])
        self.say(f"{service} has {count} replicas")

    def shrink(self, containers: list[Container]) -> None:
        with self.by_name_in_the_end():
            self.leave(containers)
            self.remove(containers)

    def restart(self, services: Iterable[str]) -> None:
        """Round by round: a new replica of each service comes, then the old one goes."""
        old = {each: self.of(each) for each in services}
        with self.by_name_in_the_end():
            self.edge.route_to(each for found in old.values() for each in found)
            for turn in zip_longest(*old.values()):
                self.renew([each for each in turn if each])

    def renew(self, containers: list[Container]) -> None:
        self.start({each.service: 1 for each in containers})
        self.leave(containers)
        self.remove(containers)

    def start(self, more: Mapping[str, int], making: Making | None = None) -> list[Container]:
        """So many more of each service, when they are ready; those that do not get ready are taken away again.

        `making` is entered while Compose makes them. (!) Not `up --no-deps`: it forgets depends_on, so that the next
        plain `docker compose up` would find another configuration and replace them.
        """
        there = self.everybody(more)
        counts = {name: count + sum(each.service == name for each in there) for name, count in more.items()}
        scale = [word for name, count in counts.items() for word in ("--scale", f"{name}={count}")]
        words = ("create", "--no-recreate", "--no-build", *scale, *counts)
        try:
            with making or nullcontext():
                self.docker.run(*self.docker.compose(*words), text=f"making {', '.join(counts)}")
            ids = [each.hostname for each in self.beside(there, more)]
            self.docker.run("docker", "start", *ids, text=f"starting {', '.join(counts)}")
            new = self.beside(there, more)  # with their addresses
            wait_ready(self.docker, [replace(each, restarts=0) for each in new])
        except BaseException:
            self.remove(self.beside(there, more))
            raise
        return new

    def beside(self, known: Iterable[Container], services: Iterable[str]) -> list[Container]:
        ids = {each.id for each in known}
        return [each for each in self.everybody(services) if each.id not in ids]

    def leave(self, containers: list[Container]) -> None:
        """nginx sends them nothing any more, and their services' other replicas everything."""
        gone = {each.id for each in containers}
        services = dict.fromkeys(each.service for each in containers)
        self.edge.route_to(each for name in services for each in self.of(name) if each.id not in gone)

    def remove(self, containers: list[Container]) -> None:
        if not containers:
            return
        names = ", ".join(f"{each.service} {each.hostname}" for each in containers)
        seconds = str(max(each.stop_seconds for each in containers))
        ids = [each.hostname for each in containers]
        self.docker.run("docker", "stop", "-t", seconds, *ids, text=f"stopping {names}")
        self.discard(containers)

    def discard(self, containers: list[Container]) -> None:
        """Those that have ended; Compose would start them again beside the new ones."""
        if containers:
            ids = [each.hostname for each in containers]
            self.docker.ask("docker", "rm", "--force", "--volumes", *ids, check=False)

    @contextmanager
    def by_name_in_the_end(self) -> Iterator[None]:
        """Whatever happens, nginx finds the replicas by name again, those that come back by themselves too."""
        try:
            yield
        finally:
            self.edge.route_by_name()
