"""The edge keeps its connections to the replicas: a new one for each request would double the cost of a short one."""

import subprocess
from pathlib import Path

import httpx
import pytest

from tests.apps import App, quickly
from tests.contract import EACH_SERVER, NAMES
from tests.engine import Stack

REQUESTS = 1000
MOST_OPENED = 20


@pytest.mark.parametrize("app", quickly(EACH_SERVER, NAMES), indirect=True)
def test_a_thousand_requests_open_fewer_than_twenty_connections(app: App, stack: Stack, http: httpx.Client):
    app.get("/json")
    before = opened(stack, app.name)
    for _ in range(REQUESTS):
        app.get("/json")

    assert len(opened(stack, app.name) - before) < MOST_OPENED


def opened(stack: Stack, service: str) -> set[str]:
    """The edge's own ends of connections to a service, those just closed included (they stay for a minute)."""
    replicas = stack.replicas(service)
    ports = {8001, 8002, 8003, 8004} if stack.engine != "native" else {port(row["address"]) for row in replicas}
    lines = Path(f"/proc/{edge_process(stack)}/net/tcp").read_text().splitlines()[1:]
    ends = [line.split()[1:3] for line in lines]
    return {mine for mine, theirs in ends if int(theirs.partition(":")[2], 16) in ports}


def port(address: str) -> int:
    return int(address.rpartition(":")[2])


def edge_process(stack: Stack) -> str:
    if stack.engine == "native":
        return "self"
    container = stack.replicas("nginx")[0]["replica"]
    command = ["docker", "inspect", "--format", "{{.State.Pid}}", container]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
