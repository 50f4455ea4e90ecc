"""A replica told to stop: it finishes what has an end, ends at once what has none, and comes back."""

import signal
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from tests import processes, sockets, sse
from tests.apps import App, quickly
from tests.contract import CHOSEN, EACH_SERVER, NAMES, WITH_SOCKETS
from tests.engine import Stack
from tests.load import Load, echo, get
from tests.stack.test_servers import DROPS_HEADERS, ONE_AT_A_TIME
from tests.waiting import until

pytestmark = [pytest.mark.own_stack, pytest.mark.timeout(120)]
AT_ONCE = 2.0  # seconds
WAIT_MS = 3000
HELD = 6  # of each: at two replicas of one worker they leave two of its eight THREADS


@dataclass
class Seen:
    """What clients of one replica saw of its stop; times in seconds since the signal."""

    app: App
    victim: str
    load: Load = field(default_factory=lambda: Load([]))
    sent: float = 0
    waits: list[httpx.Response] = field(default_factory=list)
    polls: list[tuple[httpx.Response, float]] = field(default_factory=list)
    other_polls: list[httpx.Response] = field(default_factory=list)
    closes: list[tuple[Any, float]] = field(default_factory=list)
    others_answer: bool = False
    jobs: list[str] = field(default_factory=list)


@pytest.fixture(scope="module", params=quickly(EACH_SERVER, NAMES))
def seen(request: pytest.FixtureRequest, apps: dict[str, App], stack: Stack) -> Iterator[Seen]:
    app = apps[request.param]
    if CHOSEN[app.name] in ONE_AT_A_TIME:
        pytest.skip("its long polls hold every worker; test_servers.py stops it with one request in flight")
    rows = stack.replicas(app.name)
    seen = Seen(app, rows[0]["replica"])
    with ThreadPoolExecutor(40) as pool, ExitStack() as opening:
        held = hold(app, [row["replica"] for row in rows], opening) if app.is_asgi else []
        closes = [pool.submit(ending, found.pop(seen.victim)) for found in held]
        seen.jobs = [app.post("/jobs", json={"ms": WAIT_MS + 1500}).json()["id"] for _ in range(8)]
        after = app.newest()
        polls = [pool.submit(timed, app, f"/poll?timeout=25&after={after}") for _ in range(HELD)]
        waits = [pool.submit(timed, app, f"/wait?ms={WAIT_MS}") for _ in range(HELD)]
        time.sleep(1)  # nobody can see from outside that they are being served
        with Load([get(f"{app.base}/json"), *[echo(app.base)] * 4]) as seen.load:
            seen.sent = time.monotonic()
            processes.send(rows[0], stack.engine, signal.SIGTERM)
            seen.waits = [wait.result()[0] for wait in waits]
        seen.closes = [(how, when - seen.sent) for how, when in (each.result() for each in closes)]
        seen.others_answer = all(still_open(app, found) for found in held)
        collect(seen, polls)
    yield seen
    until(lambda: all_ready(stack, app.name, len(rows)), seconds=40, every=0.2)


def hold(app: App, replicas: list[str], opening: ExitStack) -> list[dict[str, Any]]:
    """Two WebSockets, where it can be told where they are, and an event stream on each replica."""
    held = [opening.enter_context(sockets.on_each(app.ws + path, replicas)) for path in socket_paths(app)]
    return [*held, opening.enter_context(sse.on_each(app.base + "/events", replicas))]


def socket_paths(app: App) -> tuple[str, ...]:
    """None where there are no WebSockets, or where a handshake does not tell which replica it is with."""
    tells = app.name in WITH_SOCKETS and CHOSEN[app.name] not in DROPS_HEADERS
    return ("/ws/echo", "/ws/chat") if tells else ()


def ending(what: Any) -> tuple[Any, float]:
    """How a WebSocket or an event stream ends, and when."""
    try:
        how = what.rest() if isinstance(what, sse.Events) else sockets.code_of_close(what)
    except TimeoutError:
        how = "still open"
    return how, time.monotonic()


def still_open(app: App, found: dict[str, Any]) -> bool:
    (other,) = found.values()
    if isinstance(other, sse.Events):
        row = app.say("still open?")
        return row in (event.data for event in iter(other.next, None))
    return other.ping().wait(10)


def timed(app: App, path: str) -> tuple[httpx.Response, float]:
    return app.get(path), time.monotonic()


def collect(seen: Seen, polls: list[Future]) -> None:
    seen.app.say("ends the polls at the other replica")
    for answer, when in (poll.result() for poll in polls):
        if answer.status_code == 204:
            seen.polls.append((answer, when - seen.sent))
        else:
            seen.other_polls.append(answer)


def all_ready(stack: Stack, name: str, count: int) -> bool:
    rows = stack.replicas(name)
    return len(rows) == count and all(row["ready"] for row in rows)


def by(answer: httpx.Response) -> str:
    return answer.headers["x-served-by"].split("/")[1]


def test_requests_in_flight_are_finished(seen: Seen):
    assert [answer.status_code for answer in seen.waits] == [200] * len(seen.waits)
    assert seen.victim in {by(answer) for answer in seen.waits}, "none was in flight at the replica that stopped"


def test_requests_that_arrive_meanwhile_are_not_lost(seen: Seen, stack: Stack):
    assert not seen.load.lost, seen.load.told(stack.logs("nginx"))
    assert len(seen.load.answers) > 100


def test_polls_are_ended_at_once_with_204(seen: Seen):
    assert seen.polls and {by(answer) for answer, _ in seen.polls} == {seen.victim}
    assert max(seconds for _, seconds in seen.polls) < AT_ONCE


def test_polls_at_another_replica_go_on(seen: Seen):
    assert seen.other_polls
    assert {(answer.status_code, by(answer) == seen.victim) for answer in seen.other_polls} == {(200, False)}


def test_websockets_are_closed_with_1012_and_event_streams_end_at_once(seen: Seen):
    if not seen.app.is_asgi:
        pytest.skip("a WSGI service has neither")
    assert [how for how, _ in seen.closes] == [*(1012 for _ in socket_paths(seen.app)), "ended"]
    assert max(seconds for _, seconds in seen.closes) < AT_ONCE
    assert seen.others_answer, "those at the other replica go on"


def test_jobs_are_finished(seen: Seen):
    def states() -> set[str]:
        return {seen.app.get(f"/jobs/{number}").json()["status"] for number in seen.jobs}

    until(lambda: states() == {"done"}, seconds=10)


def test_a_replica_that_stopped_by_itself_comes_back(seen: Seen, stack: Stack):
    until(lambda: all_ready(stack, seen.app.name, 2), seconds=40, every=0.2)
    until(lambda: len({by(seen.app.get("/json")) for _ in range(40)}) == 2)
