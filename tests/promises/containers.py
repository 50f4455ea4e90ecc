"""The containers of a stack under test, as `docker inspect` has them."""

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.engine import Stack

LABEL = "com.docker.compose"
ONE_SHOT = ("secrets", "credentials", "migrate")


@dataclass
class Containers:
    all: list[dict[str, Any]]
    networks: list[dict[str, Any]]

    def each(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """(service, container), one for each replica."""
        return ((each["Config"]["Labels"][f"{LABEL}.service"], each) for each in self.all)

    def __getitem__(self, service: str) -> dict[str, Any]:
        """The first container of a service."""
        return next(each for name, each in self.each() if name == service)


def docker(*words: str) -> str:
    return subprocess.run(["docker", *words], check=True, capture_output=True, text=True).stdout


def inside(container: dict[str, Any], *words: str) -> subprocess.CompletedProcess[str]:
    """A command in a running container, as its own user."""
    return subprocess.run(["docker", "exec", container["Id"], *words], capture_output=True, text=True)


def listed(kind: str, project: str) -> list[str]:
    filtered = ("--quiet", "--filter", f"label={LABEL}.project={project}")
    return docker(kind, "ls", *(("--all",) if kind == "container" else ()), *filtered).split()


@pytest.fixture(scope="module")
def containers(stack: Stack) -> Containers:
    if stack.engine != "compose":
        pytest.skip("containers only: --engine compose")
    found = {
        kind: json.loads(docker(kind, "inspect", *listed(kind, stack.environ["COMPOSE_PROJECT_NAME"])))
        for kind in ("container", "network")
    }
    return Containers(found["container"], found["network"])
