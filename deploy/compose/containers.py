"""The containers of a project as `docker inspect` tells them."""

import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from deploy.compose.docker import Docker
from deploy.variables import SERVICES, prefix

SERVICE = "com.docker.compose.service"
NUMBER = "com.docker.compose.container-number"
FOLDER = "com.docker.compose.project.working_dir"
STACK = "com.docker.stack.namespace"  # a Swarm's word for a project
TASK = "com.docker.swarm.task.name"  # STACK_SERVICE.NUMBER.ID; of a node's own service STACK_SERVICE.NODE.ID
ONCE = ("migrate", "secrets", "credentials")  # they end, and that is well
ORDER = ("nginx", *SERVICES, "postgres", *ONCE)


@dataclass(frozen=True)
class Container:
    id: str
    service: str
    number: int
    hostname: str
    status: str  # docker's word: created, running, paused, restarting, removing, exited, dead
    exit_code: int
    started: float
    check: tuple[str, ...]  # its health check's command
    environment: Mapping[str, str]
    addresses: Mapping[str, str]  # network -> address
    stop_seconds: int
    folder: str = ""  # the checkout it was started from
    image: str = ""  # id
    restarts: int = 0  # by Docker, after it ended by itself

    @property
    def running(self) -> bool:
        return self.status == "running"

    @property
    def app(self) -> bool:
        return self.service in SERVICES

    @property
    def ready_check(self) -> tuple[str, ...]:
        """An app's probe takes a path, behind its port; the others have one check only."""
        return (*self.check[: self.check.index(str(self.port)) + 1], "/readyz") if self.app else self.check

    @property
    def port(self) -> int:
        """The one its health check asks: what runs may have another than the checkout says."""
        return next(int(word) for word in reversed(self.check) if word.isdecimal())

    def setting(self, name: str) -> str:
        return self.environment.get(f"{prefix(self.service)}_{name}") or self.environment.get(name, "")


def listed(docker: Docker) -> list[Container]:
    """All of the project, stopped ones too, in the order of a request."""
    words = [word for each in docker.filters for word in ("--filter", f"label={each}")]
    ids = docker.ask("docker", "ps", "--all", "--quiet", "--no-trunc", *words).split()
    if not ids:
        return []
    found = json.loads(docker.ask("docker", "inspect", *ids, check=False))  # one may be gone by now
    return in_order(map(container, found))


def in_order(containers: Iterable[Container]) -> list[Container]:
    return sorted(containers, key=lambda each: (place(each.service), each.number))


def place(service: str) -> int:
    return ORDER.index(service) if service in ORDER else len(ORDER)


def container(found: dict[str, Any]) -> Container:
    config, state = found["Config"], found["State"]
    labels = config.get("Labels") or {}
    service, number = place_in_swarm(labels) if TASK in labels else (labels.get(SERVICE, ""), labels.get(NUMBER, ""))
    return Container(
        id=found["Id"],
        service=service,
        number=int(number) if number.isdecimal() else 0,
        hostname=config.get("Hostname", ""),
        status=state["Status"],
        exit_code=state.get("ExitCode", 0),
        started=moment(state.get("StartedAt", "")),
        check=check(config.get("Healthcheck") or {}),
        environment=dict(each.partition("=")[::2] for each in config.get("Env") or ()),
        addresses={
            name.rpartition("_")[2]: net.get("IPAddress", "")
            for name, net in found["NetworkSettings"]["Networks"].items()
        },
        stop_seconds=config.get("StopTimeout") or 10,
        folder=str(Path(labels.get(FOLDER, "")).resolve()),
        image=found.get("Image", ""),
        restarts=found.get("RestartCount", 0),
    )


def place_in_swarm(labels: Mapping[str, str]) -> tuple[str, str]:
    name, number, _ = labels[TASK].removeprefix(f"{labels.get(STACK)}_").split(".", 2)
    return name, number


def check(healthcheck: Mapping[str, Any]) -> tuple[str, ...]:
    test = healthcheck.get("Test") or ["NONE"]
    return tuple(test[1:]) if test[0] == "CMD" else ()


def moment(text: str) -> float:
    """Docker writes nanoseconds, and the year 1 for never."""
    if not text or text.startswith("0001"):
        return 0.0
    return datetime.fromisoformat(text[:19] + "+00:00").timestamp()


def uptime(each: Container) -> float | None:
    return time.time() - each.started if each.running and each.started else None
