"""Speaks to a Swarm by way of one of its managers: services, tasks and nodes as `docker inspect` tells them."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from deploy.compose.containers import STACK, moment
from deploy.compose.docker import Docker

OVERLAY = Path("deploy", "swarm", "overlay.yaml")
BEGINNING = ("new", "pending", "assigned", "accepted", "ready", "preparing", "starting")
DEFAULTS = ("StopGracePeriod", "DNSConfig")
FAILED = ("failed", "rejected", "orphaned")


@dataclass(frozen=True)
class Service:
    id: str
    name: str  # without the stack's
    image: str
    replicas: int | None  # None: one on each node
    spec: Any  # what its tasks are made of
    update: str  # of the last one: updating, completed, paused, rollback_started, ...; empty when there was none


@dataclass(frozen=True)
class Task:
    id: str
    service: str
    node: str  # id
    state: str  # new, pending, ... running, complete, failed, rejected, shutdown, orphaned
    wanted: bool  # to run
    made: float  # seconds since 1970
    container: str  # id; empty before there is one
    error: str
    code: int
    spec: Any

    @property
    def running(self) -> bool:
        return self.wanted and self.state == "running"


class Cluster(Docker):
    """Bound to one stack. What it lists as containers are those of this node."""

    @property
    def filters(self) -> tuple[str, ...]:
        return (f"{STACK}={self.settings.project}",)

    def files(self) -> list[str]:
        return [*(super().files() or ["-f", "compose.yaml"]), "-f", str(OVERLAY)]

    def config(self) -> dict[str, Any]:
        return json.loads(self.ask(*self.compose("config", "--format", "json")))

    def services(self) -> dict[str, Service]:
        words = ("--filter", f"label={STACK}={self.settings.project}")
        ids = self.ask("docker", "service", "ls", "--quiet", *words).split()
        found = self.inspected("service", ids)
        return {each.name: each for each in map(self.service, found)}

    def service(self, found: dict[str, Any]) -> Service:
        spec = found["Spec"]
        return Service(
            id=found["ID"],
            name=spec["Name"].removeprefix(f"{self.settings.project}_"),
            image=spec["TaskTemplate"]["ContainerSpec"]["Image"],
            replicas=spec["Mode"].get("Replicated", {}).get("Replicas"),
            spec=made_of(spec["TaskTemplate"]),
            update=found.get("UpdateStatus", {}).get("State", ""),
        )

    def tasks(self, services: Mapping[str, Service] | None = None) -> list[Task]:
        """Those that have ended too, the newest first; empty where there is no stack. `services`: what was just asked for."""
        ids = self.ask("docker", "stack", "ps", "--quiet", "--no-trunc", self.settings.project, check=False).split()
        known = self.services() if ids and services is None else services or {}
        names = {each.id: each.name for each in known.values()}
        found = [self.task(each, names) for each in self.inspected("task", ids)]
        return sorted((each for each in found if each.service), key=lambda each: each.made, reverse=True)

    def task(self, found: dict[str, Any], names: dict[str, str]) -> Task:
        status = found["Status"]
        container = status.get("ContainerStatus") or {}
        return Task(
            id=found["ID"],
            service=names.get(found["ServiceID"], ""),
            node=found.get("NodeID", ""),
            state=status["State"],
            wanted=found["DesiredState"] in ("running", "ready"),
            made=moment(found["CreatedAt"]),
            container=container.get("ContainerID", ""),
            error=status.get("Err", ""),
            code=container.get("ExitCode", 0),
            spec=made_of(found["Spec"]),
        )

    def inspected(self, kind: str, ids: list[str]) -> Iterator[dict[str, Any]]:
        """(!) One may be gone by now: what is still there is printed all the same."""
        words = ("docker", "inspect", "--type", kind, *ids)
        yield from json.loads(self.ask(*words, check=False) or "[]") if ids else ()

    @cached_property
    def node(self) -> str:
        return self.ask("docker", "info", "--format", "{{.Swarm.NodeID}}").strip()

    def nodes(self) -> list[dict[str, Any]]:
        return list(self.inspected("node", self.ask("docker", "node", "ls", "--quiet").split()))


def made_of(template: dict[str, Any]) -> Any:
    """What distinguishes one task from another of the same service, which replaces it. (!) A service is shown with
    defaults that its tasks are shown without.
    """
    container = {key: value for key, value in template.get("ContainerSpec", {}).items() if key not in DEFAULTS}
    return container, template.get("ForceUpdate", 0), template.get("Resources")
