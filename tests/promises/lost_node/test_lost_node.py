"""A node of three is lost under load: see promise.md."""

import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from loadtests.drills.bounds import Bounds, Moments, in_flight
from tests import nodes
from tests.engine import UP_SECONDS, Stack, check_out, elsewhere, unavailable
from tests.engine import own as stack_of_its_own
from tests.nodes import HERE, Node
from tests.oracle import watched
from tests.registry import registry
from tests.waiting import until

pytestmark = [pytest.mark.full, pytest.mark.timeout(1800)]
PLAIN = {"STAGE": "production", "HTTPS_REDIRECT": "0", "HSTS": "0", "RATE_LIMIT": "0", "CONNECTION_LIMIT": "0"}
REPLICAS = 3
SERVICES = ("flask", "fastapi")
UNDISTURBED_SECONDS, BACK_SECONDS = 5, 120
ONLY_IN_FLIGHT = Bounds({"POST": in_flight}, gap={})


@dataclass
class Cluster:
    nodes: list[Node]
    stack: Stack

    def running(self, service: str) -> list[str]:
        """Names of the nodes that have its replicas."""
        words = ("--filter", "desired-state=running", "--format", "{{.Node}} {{.CurrentState}}")
        told = self.nodes[0].docker("service", "ps", f"{self.stack.environ['COMPOSE_PROJECT_NAME']}_{service}", *words)
        return [line.split()[0] for line in told.splitlines() if line.split()[1] == "Running"]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Images are built by this machine's engine and got by the nodes from a registry, by digest."""
    if reason := unavailable("compose"):
        pytest.skip(f"swarm: {reason}")
    with registry(tmp_path_factory.mktemp("registry"), address="0.0.0.0") as place:
        port = int(place.rpartition(":")[2])
        with nodes.swarm(3, port) as made:
            first = made[0]
            stack = elsewhere(stack_of_its_own("swarm"), **PLAIN, SERVER_NAMES=f"localhost 127.0.0.1 {first.address}")
            check_out(stack)
            done = stack.ponte("images", f"REGISTRY=127.0.0.1:{port}/shop", seconds=UP_SECONDS)
            assert done.returncode == 0, done.stderr
            pins = stack.root / ".run" / "images.json"
            pins.write_text(pins.read_text().replace(f"127.0.0.1:{port}", f"{HERE}:{port}"))
            database = subprocess.Popen(["docker", "save", "postgres:17"], stdout=subprocess.PIPE)
            first.docker("load", stdin=database.stdout)
            stack.environ |= {"DOCKER_HOST": first.host, "REGISTRY": f"{HERE}:{port}/shop"}
            stack.environ |= {f"{name.upper()}_REPLICAS": str(REPLICAS) for name in SERVICES}
            stack.url = f"http://{first.address}:{stack.environ['HTTP_PORT']}"
            try:
                yield Cluster(made, stack)
            finally:
                stack.ponte("clean", seconds=300)


def test_of_several_nodes_none_is_chosen_for_the_data(cluster: Cluster):
    answer = cluster.stack.ponte("up", seconds=UP_SECONDS)

    assert answer.returncode == 3
    assert (
        "no node is labelled for PostgreSQL and its data; docker node update --label-add ponte.postgres=true NODE"
        in answer.stderr
    )
    assert not cluster.nodes[0].docker("service", "ls", "--quiet")


def test_a_node_that_is_lost_takes_no_get_with_it(cluster: Cluster, tmp_path: Path):
    first, lost = cluster.nodes[0], cluster.nodes[-1]
    first.docker("node", "update", "--label-add", "ponte.postgres=true", first.name)
    answer = cluster.stack.ponte("up", seconds=UP_SECONDS)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert all(lost.name in cluster.running(name) for name in SERVICES)
    with watched(cluster.stack, tmp_path, *SERVICES) as seen:
        started = seen.load.plan.now()
        until(lambda: seen.load.plan.now() - started > UNDISTURBED_SECONDS, 30)
        began = seen.load.plan.now()
        lost.lose()
        moments = Moments([(began, seen.load.plan.now())], began)
        until(lambda: all(strong(cluster, lost, name) for name in SERVICES), BACK_SECONDS)
    record(tmp_path, seen.verdict.sentence())

    assert not ONLY_IN_FLIGHT.broken(seen.verdict, seen.requests(), moments), seen.verdict.losses


def strong(cluster: Cluster, lost: Node, service: str) -> bool:
    where = cluster.running(service)
    return len(where) == REPLICAS and lost.name not in where


def record(folder: Path, sentence: str) -> None:
    """In the test's own output, which -rP shows."""
    print(json.dumps({"node lost": sentence, "cpus": os.cpu_count()}))
