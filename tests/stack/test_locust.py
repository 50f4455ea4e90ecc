"""Locust in containers: a master and its workers beside the stack, on one machine and on a Swarm, with the scenarios of loadtests/."""

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import httpx
import pytest

from deploy.compose.docker import ca_bundle
from deploy.settings import load
from tests.contract import ROOT
from tests.engine import UP_SECONDS, Stack, own, remove, unavailable
from tests.nodes import swarm_of_one  # noqa: F401  (a fixture)
from tests.waiting import until

pytestmark = [pytest.mark.full, pytest.mark.timeout(UP_SECONDS)]
WORKERS = 2
USERS, RATE, SECONDS = 4, 10, 10
# Asked inside the master's container, where Locust may not listen yet: its port is not published.
ASK = """
import sys, urllib.parse, urllib.request
path, *words = sys.argv[1:]
form = urllib.parse.urlencode(dict(word.split("=") for word in words)).encode() or None
try:
    print(urllib.request.urlopen("http://127.0.0.1:8089/locust/" + path, form, 10).read().decode())
except OSError:
    print("{}")
"""


def docker(*words: str, **environ: str) -> str:
    done = subprocess.run(["docker", *words], cwd=ROOT, env={**os.environ, **environ}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@contextmanager
def in_containers(stack: Stack, environ: dict[str, str]) -> Iterator[str]:
    """How the master is found."""
    scale = ("--detach", "--no-deps", "--scale", f"locust-worker={WORKERS}")
    docker("compose", "--profile", "loadtest", "up", *scale, "locust", "locust-worker", **environ)
    yield f"name=^{stack.environ['COMPOSE_PROJECT_NAME']}-locust-1$"


@contextmanager
def on_a_swarm(stack: Stack, environ: dict[str, str]) -> Iterator[str]:
    project, node = stack.environ["COMPOSE_PROJECT_NAME"], docker("node", "ls", "--quiet")
    name, chosen = f"{project}-load", {"LOCUST_IMAGE": f"{project}-locust", "LOCUST_WORKERS": str(WORKERS)}
    docker("node", "update", "--label-add", "ponte.load=true", node)
    file = ("--resolve-image", "never", "--compose-file", "deploy/swarm/loadtest.yaml")
    docker("stack", "deploy", *file, name, **environ, **chosen)
    try:
        yield f"label=com.docker.swarm.service.name={name}_locust"
    finally:
        docker("stack", "rm", name)
        docker("node", "update", "--label-rm", "ponte.load", node)
        until(lambda: not docker("ps", "--quiet", f"--filter=label=com.docker.stack.namespace={name}"), 60)


BESIDE: dict[str, Callable[[Stack, dict[str, str]], AbstractContextManager[str]]] = {
    "compose": in_containers,
    "swarm": on_a_swarm,
}
# What the edge answers to who asks for Locust's page: that of a Swarm is open to all, and has no passwords here.
PAGE = {"compose": 200, "swarm": 403}


@pytest.fixture(params=BESIDE)
def stack_of_its_own(request: pytest.FixtureRequest) -> Iterator[Stack]:
    if request.config.getoption("--engine") == "compose":
        pytest.skip("starts its own stacks: with the native engine")
    if request.param == "swarm":
        request.getfixturevalue("swarm_of_one")
    if reason := unavailable(request.param):
        pytest.skip(f"{request.param}: {reason}")
    stack = own(request.param)
    try:
        up = stack.ponte("up", seconds=UP_SECONDS)
        assert up.returncode == 0, up.stderr
        yield stack
    finally:
        remove(stack)


def test_workers_in_containers_load_the_stack_and_no_request_fails(stack_of_its_own: Stack):
    stack = stack_of_its_own
    environ = {**stack.environ, **ca_bundle(load({}, os.environ), os.environ), "LOCUST_RATE": str(RATE)}
    docker("compose", "--profile", "loadtest", "build", "--quiet", "locust", **environ)
    with BESIDE[stack.engine](stack, {**environ, "LOCUST_MIX": "/json"}) as found_by:
        master = until(lambda: docker("ps", "--quiet", f"--filter={found_by}"), 60)

        def ask(path: str, *words: str) -> Any:
            return json.loads(docker("exec", master, "python", "-c", ASK, path, *words))

        until(lambda: len(ask("stats/requests").get("workers", ())) == WORKERS, 60)
        page = httpx.get(f"{stack.url}/locust/")
        ask("swarm", f"user_count={USERS}", f"spawn_rate={USERS}", f"run_time={SECONDS}s")
        ended = until(lambda: (now := ask("stats/requests"))["state"] == "stopped" and now, 60)

    total = next(each for each in ended["stats"] if each["name"] == "Aggregated")
    assert page.status_code == PAGE[stack.engine]
    assert total["num_requests"] > USERS * RATE * SECONDS / 2
    assert (total["num_failures"], ended["errors"]) == (0, [])
