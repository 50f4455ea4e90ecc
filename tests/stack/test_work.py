"""/cpu costs what it says, and work and waits leave the rest of an application free."""

import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.apps import App
from tests.contract import SERVICES
from tests.engine import Stack
from tests.waiting import until

TICK_MS = 1000 / os.sysconf("SC_CLK_TCK")


def cpu_ms(pid: int) -> float:
    """CPU time of all threads of a process so far."""
    user, system = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) * TICK_MS


@pytest.mark.parametrize("ms", (0, 400))
def test_cpu_costs_its_time_and_little_more(replica: App, ms: int):
    with httpx.Client() as client:  # one kept connection, so mostly one process
        alone = App(replica.service, client, replica.base)
        (used,) = until(lambda: cost(alone, ms))

    # The contract's margin, and what the clock of /proc and serving the request add.
    assert ms - TICK_MS <= used <= ms * 1.2 + 5 + 2 * TICK_MS + 10


def cost(app: App, ms: int) -> tuple[float] | None:
    """None when another process answered, for some servers keep no connection."""
    pid = app.get("/").json()["pid"]
    before = cpu_ms(pid)
    answer = app.get(f"/cpu?ms={ms}")
    used = cpu_ms(pid) - before
    return (used,) if int(answer.headers["x-served-by"].rpartition("/")[2]) == pid else None


def test_cpu_work_does_not_hold_up_other_requests(asgi_replica: App):
    with ThreadPoolExecutor(1) as pool:
        working = pool.submit(asgi_replica.get, "/cpu?ms=1000")
        slowest = slowest_until_done(asgi_replica, working)

    assert slowest < 0.5


@pytest.mark.parametrize("how", ("await", "thread"))
def test_a_wait_does_not_hold_up_other_requests(asgi_replica: App, how: str):
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(asgi_replica.get, f"/wait?ms=700&how={how}")
        slowest = slowest_until_done(asgi_replica, waiting)

    assert slowest < 0.4


def test_a_wait_that_blocks_holds_up_everything(asgi_replica: App, stack: Stack):
    if max(row["workers"] for row in stack.replicas(asgi_replica.name)) > 1:
        pytest.skip("a replica of several workers has others")
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(asgi_replica.get, "/wait?ms=700&how=block")
        slowest = slowest_until_done(asgi_replica, waiting)

    assert slowest > 0.4


def slowest_until_done(app: App, work) -> float:
    slowest = 0.0
    while not work.done():
        began = time.monotonic()
        assert app.get("/healthz").status_code == 200
        slowest = max(slowest, time.monotonic() - began)
    assert work.result().status_code == 200
    return slowest


def test_many_waits_are_served_side_by_side(app: App):
    began = time.monotonic()
    with ThreadPoolExecutor(12) as pool:
        assert {answer.status_code for answer in pool.map(app.get, ["/wait?ms=500"] * 12)} == {200}

    assert time.monotonic() - began < 3


@pytest.mark.full
def test_the_longest_wait_is_not_cut_by_the_edge(app: App):
    assert app.get("/wait?ms=30000").json() == {"ms": 30_000}


def test_one_application_saturated_leaves_the_others_alone(stack: Stack, apps: dict[str, App]):
    with ThreadPoolExecutor(20) as pool:
        waits = [pool.submit(apps["flask"].get, "/wait?ms=1500") for _ in range(20)]
        for name in set(SERVICES) - {"flask"}:
            assert apps[name].get("/json").status_code == 200
        assert not all(wait.done() for wait in waits)
        assert {wait.result().status_code for wait in waits} == {200}
