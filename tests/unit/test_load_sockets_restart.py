"""The restart phase of the WebSocket driver: who is dropped, who comes back, what is missed."""

import asyncio
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from loadtests.sockets.audience import Audience
from loadtests.sockets.outages import back_after
from loadtests.sockets.restart import Restart, restart_under
from tests.chatserver import ChatServer, chat_server

pytestmark = pytest.mark.full  # real processes and seconds of load

SUBSCRIBERS = 10


@pytest.fixture
def server() -> Iterator[ChatServer]:
    with chat_server() as started:
        yield started


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loadtests.sockets.restart.SETTLE_SECONDS", 0.5)


def restarted(server: ChatServer, restart: Callable[[], object], cancel: float = 0, **options) -> Restart:
    async def run() -> Restart:
        async with Audience(server.url, SUBSCRIBERS, connect_rate=500) as audience:
            if cancel and (task := asyncio.current_task()):
                asyncio.get_running_loop().call_later(cancel, task.cancel)
            return await restart_under(audience, restart, rate=50, drain=2, **options)

    return asyncio.run(run())


@pytest.mark.parametrize(("abort", "code"), [(False, 1012), (True, 1006)])
def test_everyone_is_dropped_and_comes_back_without_a_missed_message(
    server: ChatServer, abort: bool, code: int
) -> None:
    found = restarted(server, lambda: server.restart(abort=abort))

    assert (found.dropped, found.close_codes, found.never_back) == (SUBSCRIBERS, {code: SUBSCRIBERS}, 0)
    assert (found.missed, found.duplicated, found.delivery.reordered) == (0, 0, 0)
    assert 0 < found.outage_p50 <= found.outage_p99 <= found.outage_max <= found.back_99 + 0.1 < 3
    assert found.verified and found.stored > 20 and found.failure == "" and found.restart < 5
    assert any(query.startswith("after=") for query in server.queries)


def test_messages_that_neither_came_nor_were_caught_up_are_missed(server: ChatServer) -> None:
    def restart() -> None:
        first = len(server.messages)
        server.copies = lambda connection, number: 0 if first < number <= first + 5 and connection < 5 else 1
        server.close_soon(1012, seconds=0.3)

    found = restarted(server, restart)

    assert found.missed == 4 * 5
    assert found.delivery.reach < 1


def test_a_catch_up_that_repeats_messages_is_told(server: ChatServer) -> None:
    def restart() -> None:
        server.overlap = 3
        server.restart()

    found = restarted(server, restart)

    assert (found.missed, found.duplicated) == (0, SUBSCRIBERS * 3)


def test_those_who_cannot_come_back_are_told_and_why(server: ChatServer) -> None:
    def restart() -> None:
        server.status["/ws/chat"] = 502
        server.restart()

    found = restarted(server, restart, seconds=2)

    assert found.never_back == SUBSCRIBERS and set(found.failures) == {"502"}
    assert np.isnan(found.back_99) and np.isnan(found.back_at).all()
    assert not found.verified and found.unsent > 0


def test_a_restart_that_fails_is_told_and_the_samples_are_kept(server: ChatServer) -> None:
    async def restart() -> None:
        raise RuntimeError("no stack here")

    found = restarted(server, restart)

    assert found.failure == "the restart failed: no stack here"
    assert (found.dropped, found.back_99, found.missed) == (0, 0, 0)
    assert found.sent > 20


def test_a_restart_that_hangs_is_given_up(server: ChatServer) -> None:
    found = restarted(server, lambda: asyncio.sleep(60), seconds=0.5)

    assert found.failure == "the restart was not over in time"


def test_an_interrupted_restart_keeps_its_samples(server: ChatServer) -> None:
    found = restarted(server, lambda: asyncio.sleep(60), cancel=2)

    assert found.interrupted and found.delivery.reach > 0.9


def test_progress_counts_who_is_connected(server: ChatServer) -> None:
    def restart() -> None:
        server.status["/ws/chat"] = 503
        server.restart()
        time.sleep(0.5)
        server.status.clear()

    seen: list[tuple[float, float]] = []
    found = restarted(server, restart, progress=lambda done, total: seen.append((done, total)))

    assert {total for _, total in seen} == {SUBSCRIBERS}
    assert min(seen)[0] == 0 and seen[-1][0] == SUBSCRIBERS
    assert set(found.failures) == {"503"} and 0.5 <= found.back_99 < 5


def test_back_means_back_for_good() -> None:
    dropped, back = np.array([1.0, 5.0]), np.array([2.0, 9.0])

    assert back_after(dropped, back, 100, 0.99) == 0  # never more than one of a hundred away
    assert back_after(dropped, back, 10, 0.99) == 8  # from the first drop to the last return
    assert np.isnan(back_after(dropped, np.array([2.0, np.nan]), 10, 0.99))
    assert back_after(np.zeros(0), np.zeros(0), 10, 0.99) == 0
