"""Changes the replicas of a running stack without a lost request: nobody stops who is still in nginx's routing."""

from collections.abc import Iterable, Iterator, Mapping
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
            with self.by_name_in_the_end():
                self.edge.route_to(now)
                self.start({service: count})
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
                self.replace([each for each in turn if each])

    def replace(self, containers: list[Container]) -> None:
        self.start({each.service: len(self.of(each.service)) + 1 for each in containers})
        self.leave(containers)
        self.remove(containers)

    def start(self, counts: Mapping[str, int]) -> None:
        """As many replicas, the new ones ready; those that do not get ready are taken away again."""
        known = {each.id for name in counts for each in self.of(name)}
        scale = [word for name, count in counts.items() for word in ("--scale", f"{name}={count}")]
        words = ("up", "--detach", "--no-deps", "--no-recreate", "--no-build", *scale, *counts)
        try:
            self.docker.run(*self.docker.compose(*words), text=f"starting {', '.join(counts)}")
            wait_ready(self.docker, self.unknown(counts, known))
        except BaseException:
            self.remove(self.unknown(counts, known))
            raise

    def unknown(self, services: Iterable[str], known: set[str]) -> list[Container]:
        return [each for each in listed(self.docker) if each.service in services and each.id not in known]

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
        self.docker.ask("docker", "rm", "--force", "--volumes", *ids, check=False)

    @contextmanager
    def by_name_in_the_end(self) -> Iterator[None]:
        """Whatever happens, nginx finds the replicas by name again, those that come back by themselves too."""
        try:
            yield
        finally:
            self.edge.route_by_name()
