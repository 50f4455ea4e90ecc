"""What a request costs in all, nginx and Flask's server: this stack against what tutorials start, at an equal rate in one run.

A tutorial's nginx opens a connection for each request, to Gunicorn's sync worker; the application is the same. They take
turns, so that what changes with time changes both.
"""

import asyncio
import os
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from loadtests.measure.processes import Tree
from loadtests.measure.statistics import bootstrap, ratio
from tests import wire
from tests.bench import proxies
from tests.bench.proxies import Peer
from tests.config.conftest import nginx  # noqa: F401  (a fixture)
from tests.config.edge import HOST
from tests.matrix.cost import RATE, REQUEST, Count, clients
from tests.servers import Lone, replica

ROUNDS = 8
SECONDS = 4
WARM_UP_SECONDS = 1

pytestmark = pytest.mark.timeout(300)


@dataclass(frozen=True)
class Pair:
    front: Peer
    server: Lone
    prefix: str

    def cost(self, seconds: float = SECONDS) -> tuple[float, float]:
        """Microseconds of CPU a request: of nginx, and of the replica."""
        family, count = Tree((self.server.process.pid,)), Count()
        before = self.front.cpu, family.cpu()
        asyncio.run(clients(wire.address(self.front.address), REQUEST.format(self.prefix).encode(), seconds, count))
        assert not count.failed
        used = self.front.cpu - before[0], family.cpu() - before[1]
        return used[0] / count.answered * 1e6, used[1] / count.answered * 1e6


@pytest.fixture(scope="module")
def pairs(nginx: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Pair]]:  # noqa: F811
    folder, cpu = tmp_path_factory.mktemp("bench"), min(os.sched_getaffinity(0))
    print(f"{nginx}: {proxies.version([str(nginx), '-v'])}")
    with ExitStack() as stack:
        draining, sync = (stack.enter_context(replica("flask", name)) for name in ("gunicorn", "gunicorn-sync"))
        to = {each.server: f"{HOST}:{each.port}" for each in (draining, sync)}
        edge = stack.enter_context(proxies.ours(nginx, folder / "ours", to["gunicorn"], cpu, "flask"))
        theirs = stack.enter_context(proxies.tutorial(nginx, folder / "tutorial", to["gunicorn-sync"], cpu))
        yield {"this stack": Pair(edge, draining, "/flask"), "the tutorial": Pair(theirs, sync, "")}


def test_a_request_costs_less_than_what_tutorials_start(pairs: dict[str, Pair]):
    """Aim 0.85, with the C parser; it is the one in Python, and the aim is met without."""
    for each in pairs.values():
        each.cost(WARM_UP_SECONDS)
    rounds = [{name: each.cost() for name, each in pairs.items()} for _ in range(ROUNDS)]

    print(f"GET /json of Flask, {RATE}/s")
    for number, part in enumerate(("nginx", "the server")):
        told(part, *([each[name][number] for each in rounds] for name in pairs))
    assert told("in all", *([sum(each[name]) for each in rounds] for name in pairs)) <= 0.95


def told(part: str, ours: list[float], theirs: list[float]) -> float:
    found = ratio(theirs, ours)
    first, second = (bootstrap(each).value for each in (ours, theirs))
    print(f"  {part}: {first:.0f} µs here, {second:.0f} µs of the tutorial's, ratio {found}")
    return found.interval.value
