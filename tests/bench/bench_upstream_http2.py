"""What UPSTREAM_HTTP2=1 costs: CPU of nginx and of one replica a request, beside HTTP/1.1, at an equal rate in one run.

Two edges stand in front of the same replica and take turns, so that what changes with time changes both.
"""

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from operator import itemgetter
from pathlib import Path

import pytest

from deploy import edge
from loadtests.measure.processes import Tree
from loadtests.measure.statistics import bootstrap, ratio
from tests.bench.proxies import version
from tests.config.conftest import nginx  # noqa: F401  (a fixture)
from tests.config.edge import HOST, Running, running
from tests.matrix.cost import RATE, Count, clients
from tests.servers import Lone, replica

ROUNDS = 8
SECONDS = 3
WARM_UP_SECONDS = 1
BODY = b"b" * 100_000
UP_TO = 2**20  # bytes of a body
SERVED = (("flask", "granian"), ("fastapi", "granian"), ("fastapi", "hypercorn"))
ASKED = {"GET /json": b"", "POST /digest": BODY, "POST /echo": BODY}  # the last one's answer is as large
HEAD = "{} /{}{} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n"

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module", params=SERVED, ids="-".join)
def served(
    request: pytest.FixtureRequest,
    nginx: Path,  # noqa: F811
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Lone, dict[str, Running]]]:
    """A replica, and the edges that speak to it in each version."""
    if "upstream_http2" in edge.inspect(nginx).lacks():
        pytest.skip("this nginx is older than 1.29.7")
    print(f"{nginx}: {version([str(nginx), '-v'])}")
    with ExitStack() as stack:
        lone = stack.enter_context(replica(*request.param))
        members, folder = {lone.service: (f"{HOST}:{lone.port}",)}, tmp_path_factory.mktemp("bench")
        chosen = {"1.1": frozenset(), "2": frozenset({lone.service})}
        edges = {
            name: running(folder / name, nginx, upstreams=members, max_upload=UP_TO, http2=services)
            for name, services in chosen.items()
        }
        yield lone, {name: stack.enter_context(each) for name, each in edges.items()}


def cost(lone: Lone, front: Running, message: bytes, seconds: float = SECONDS) -> tuple[float, float]:
    """Microseconds a request: of nginx, and of the replica."""
    trees = Tree((int(front.settings.pid.read_text()),)), Tree((lone.process.pid,))
    before, count = [each.cpu() for each in trees], Count()
    asyncio.run(clients(front.address, message, seconds, count))
    assert not count.failed
    edge_, own = ((each.cpu() - used) / count.answered * 1e6 for each, used in zip(trees, before, strict=True))
    return edge_, own


@pytest.mark.parametrize("asked", ASKED)
def test_http2_to_the_server_beside_http1_is_told(served: tuple[Lone, dict[str, Running]], asked: str) -> None:
    lone, edges = served
    (method, path), body = asked.split(), ASKED[asked]
    message = HEAD.format(method, lone.service, path, len(body)).encode() + body
    for front in edges.values():
        cost(lone, front, message, WARM_UP_SECONDS)
    rounds = [{name: cost(lone, front, message) for name, front in edges.items()} for _ in range(ROUNDS)]

    print(f"{lone.service} on {lone.server}, {asked}, a body of {len(body)} bytes, {RATE}/s")
    for part, of in {"nginx": itemgetter(0), "replica": itemgetter(1), "both": sum}.items():
        assert told(part, *([of(each[name]) for each in rounds] for name in edges)) > 0


def told(part: str, before: list[float], after: list[float]) -> float:
    found = ratio(before, after)
    first, second = (bootstrap(each).value for each in (before, after))
    print(f"  {part}: {first:.0f} µs by HTTP/1.1, {second:.0f} µs by HTTP/2, ratio {found}")
    return found.interval.value
