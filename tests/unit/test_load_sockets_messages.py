"""Echo and fan-out of the WebSocket driver, against a server that loses, repeats and disorders as told."""

import asyncio
import time
from collections.abc import Iterator

import numpy as np
import pytest

from loadtests.sockets import stamp
from loadtests.sockets.audience import Audience
from loadtests.sockets.delivery import Record, summary
from loadtests.sockets.echo import Echo, echo_at_rate
from loadtests.sockets.errors import Unusable
from loadtests.sockets.fanout import FanOut, fan_out
from loadtests.sockets.pool import Pool
from loadtests.sockets.ramp import connect_ramp
from loadtests.sockets.slow import SlowConsumer, slow_consumer
from tests.chatserver import ChatServer, chat_server

pytestmark = pytest.mark.full  # real processes and seconds of load

SUBSCRIBERS = 10
RATE, SECONDS = 50.0, 0.4
MESSAGES = 20


@pytest.fixture
def server() -> Iterator[ChatServer]:
    with chat_server() as started:
        yield started


def echo(server: ChatServer, rate: float = 300, seconds: float = 1, cancel: float = 0, **options) -> Echo:
    async def run() -> Echo:
        async with Pool(server.url) as pool:
            await connect_ramp(pool, 10, 500)
            if cancel and (task := asyncio.current_task()):
                asyncio.get_running_loop().call_later(cancel, task.cancel)
            return await echo_at_rate(pool, rate, seconds, **options)

    return asyncio.run(run())


def fan(server: ChatServer, drain: float = 0.5, cancel: float = 0, seconds: float = SECONDS) -> FanOut:
    async def run() -> FanOut:
        async with Audience(server.url, SUBSCRIBERS, connect_rate=500) as audience:
            if cancel and (task := asyncio.current_task()):
                asyncio.get_running_loop().call_later(cancel, task.cancel)
            return await fan_out(audience, RATE, seconds, drain=drain)

    return asyncio.run(run())


def subscriber(connection: int) -> int:
    """Of the server's count: its number 0 is the driver's first try."""
    return connection - 1


def test_every_echo_is_timed(server: ChatServer) -> None:
    found = echo(server)

    assert (found.lost, found.duplicates, found.interrupted) == (0, 0, False)
    assert found.sent == found.received == found.due == len(found.done)
    assert 220 < found.due < 380
    assert 0 < found.p50 <= found.p99 <= found.max
    assert 0 < found.cpu < 0.01


def test_arrivals_are_poisson(server: ChatServer) -> None:
    gaps = np.diff(echo(server, rate=2000, seconds=1.5).intended)

    assert gaps.std() / gaps.mean() == pytest.approx(1, abs=0.1)


def test_a_server_that_stalls_is_seen_in_every_message_that_was_due_meanwhile(server: ChatServer) -> None:
    server.echo_stall = 0.5
    found = echo(server, rate=200, seconds=2)

    waited = found.done - found.intended
    assert (waited > 0.1).sum() == pytest.approx(200 * 0.4, rel=0.5)
    assert found.max == pytest.approx(0.5, abs=0.2)


def test_a_generator_that_stalls_hides_nothing(server: ChatServer) -> None:
    async def run() -> Echo:
        async with Pool(server.url) as pool:
            await connect_ramp(pool, 10, 500)
            asyncio.get_running_loop().call_later(0.3, time.sleep, 0.4)
            return await echo_at_rate(pool, 200, 1)

    found = asyncio.run(run())

    assert found.max > 0.35 and found.send_lag_p99 > 0.3
    assert found.late > 200 * 0.4 / 2


def test_lost_and_repeated_echoes_are_counted(server: ChatServer) -> None:
    server.echoes = lambda count: 0 if count % 4 == 0 else 2 if count % 4 == 1 else 1
    found = echo(server, drain=0.5)

    assert found.lost == found.due // 4
    assert found.duplicates == -(-found.due // 4)


def test_an_interrupted_echo_keeps_its_samples_and_calls_nothing_lost_that_was_not_due(server: ChatServer) -> None:
    found = echo(server, seconds=30, cancel=0.5)

    assert found.interrupted
    assert 80 < found.received < 250
    assert found.lost <= 2


def test_a_fan_out_reaches_everyone_once_and_in_order(server: ChatServer) -> None:
    found = fan(server)

    assert (found.total.messages, found.total.subscribers) == (MESSAGES, SUBSCRIBERS)
    assert found.total.expected == found.total.received == MESSAGES * SUBSCRIBERS
    assert (found.total.reach, found.total.lost, found.total.duplicates, found.total.reordered) == (1, 0, 0, 0)
    assert 0 < found.total.p50 < 0.2
    assert set(found.replicas) == {"app/app-1", "app/app-2"}
    assert [each.subscribers for each in found.replicas.values()] == [5, 5]
    assert len(found.at) == found.total.received and (found.unsent, found.closed, found.complaints) == (0, {}, {})


def test_half_the_subscribers_without_news_is_a_reach_of_one_half(server: ChatServer) -> None:
    """Rooms that are local to a replica: the classic fault of a chat behind a load balancer."""
    server.copies = lambda connection, number: 1 if subscriber(connection) % 2 == 0 else 0
    found = fan(server)

    assert found.total.reach == 0.5
    assert found.total.lost == MESSAGES * SUBSCRIBERS // 2
    assert sorted(each.reach for each in found.replicas.values()) == [0, 1]


def test_messages_that_come_twice_are_counted_and_not_taken_for_others(server: ChatServer) -> None:
    server.copies = lambda connection, number: 2 if subscriber(connection) == 3 else 1
    found = fan(server)

    assert (found.total.duplicates, found.total.lost, found.total.reach) == (MESSAGES, 0, 1)


def test_messages_of_which_some_are_lost_and_some_come_twice_are_both_counted(server: ChatServer) -> None:
    server.copies = lambda connection, number: {1: 0, 2: 2}.get(subscriber(connection), 1)
    found = fan(server)

    assert (found.total.duplicates, found.total.lost) == (MESSAGES, MESSAGES)


def test_messages_in_the_wrong_order_are_counted_at_their_replica(server: ChatServer) -> None:
    server.swaps = lambda connection: subscriber(connection) == 2
    found = fan(server)

    # The greeting was the first of the first pair: of the 20 that follow, the last has no partner.
    assert found.total.reordered == (MESSAGES - 1) // 2
    assert sorted(each.reordered for each in found.replicas.values()) == [0, found.total.reordered]


def test_a_subscriber_that_is_served_late_is_the_spread(server: ChatServer) -> None:
    server.delay = lambda connection: 0.1 if subscriber(connection) == 4 else 0.0

    async def run() -> FanOut:
        async with Audience(server.url, SUBSCRIBERS, connect_rate=500) as audience:
            return await fan_out(audience, 5, 1)

    found = asyncio.run(run())

    assert found.total.spread_p50 == pytest.approx(0.1, abs=0.04)
    assert found.total.p50 < 0.05 < found.total.p99
    assert sorted(each.spread_p50 > 0.08 for each in found.replicas.values()) == [False, True]


def test_messages_of_others_are_ignored(server: ChatServer) -> None:
    async def run() -> FanOut:
        async with Audience(server.url, SUBSCRIBERS, connect_rate=500) as audience:
            other = await audience.pool.open()
            strange = ["hello", stamp.write("someone-else", 1), f"{stamp.MARK} a b c d"]
            for number, text in enumerate(strange * 5):
                asyncio.get_running_loop().call_later(number / 50, other.send, f'{{"author": "x", "text": "{text}"}}')
            return await fan_out(audience, RATE, SECONDS)

    found = asyncio.run(run())

    assert (found.total.received, found.total.duplicates, found.total.reordered) == (MESSAGES * SUBSCRIBERS, 0, 0)


def test_a_chat_that_answers_nobody_is_said_to_do_so(server: ChatServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loadtests.sockets.audience.HELLO_SECONDS", 0.3)
    server.copies = lambda connection, number: 0

    with pytest.raises(Unusable, match="a message was sent and nobody got it"):
        fan(server)


def test_an_interrupted_fan_out_keeps_its_samples(server: ChatServer) -> None:
    found = fan(server, cancel=0.5, seconds=30)

    assert found.interrupted
    assert 10 < found.total.messages < 40
    assert found.total.reach > 0.9


def slow(server: ChatServer, **options) -> SlowConsumer:
    async def run() -> SlowConsumer:
        async with Audience(server.url, SUBSCRIBERS, connect_rate=500) as audience:
            return await slow_consumer(audience, RATE, SECONDS, **options)

    return asyncio.run(run())


def test_one_that_does_not_read_gets_everything_when_it_reads_again(server: ChatServer) -> None:
    found = slow(server)

    assert (found.closed, found.slow.lost, found.slow.duplicates, found.failure) == (False, 0, 0, "")
    assert found.slow.max > 0.3  # what it got, it got after the others had everything
    assert found.during.total.reach == 1 and found.during.total.subscribers == SUBSCRIBERS
    assert 0.1 < found.p99_ratio < 10
    assert found.catch_up < 5
    assert found.bytes_unread == MESSAGES * 2000


def test_others_that_suffer_from_it_are_the_ratio(server: ChatServer) -> None:
    server.delay = lambda connection: 0.15 if SUBSCRIBERS + 2 in server.chats else 0.0
    found = slow(server, size=100)

    assert found.p99_ratio > 3


def test_a_slow_one_that_is_cut_off_comes_back_for_the_rest(server: ChatServer) -> None:
    async def run() -> SlowConsumer:
        async with Audience(server.url, SUBSCRIBERS, connect_rate=500) as audience:
            asyncio.get_running_loop().create_task(cut(audience))
            return await slow_consumer(audience, RATE, SECONDS)

    async def cut(audience: Audience) -> None:
        while SUBSCRIBERS + 2 not in server.chats or len(server.messages) < 1 + MESSAGES + 5:
            await asyncio.sleep(0.01)
        asyncio.run_coroutine_threadsafe(server.chats[SUBSCRIBERS + 2].close(1013), server.loop)

    found = asyncio.run(run())

    assert (found.closed, found.close_code, found.slow.lost, found.slow.duplicates) == (True, 1013, 0, 0)


def test_a_stamp_tells_its_sender_number_and_time() -> None:
    text = stamp.write("me", 7, size=3000)
    found = stamp.read(text)

    assert found and (found.sender, found.sequence) == ("me", 7)
    assert len(text) == stamp.LONGEST
    assert [stamp.read(other) for other in ("", "hello", "ponte-stamp me x 1 ", "ponte-stamp me 1")] == [None] * 4


def test_reordering_is_counted_per_subscriber() -> None:
    record = Record()
    for subscriber_number, ids in ((0, [5, 1, 2, 3]), (1, [1, 2, 5, 3])):
        for number in ids:
            record.add(number, subscriber_number, number, 1.0)
    found = summary(record.arrivals(), np.array([1, 2, 3, 5]), np.zeros(4), np.arange(2))

    assert (found.reordered, found.received, found.p50) == (4, 8, 1.0)


def test_a_fan_out_that_delivered_nothing_has_no_percentiles() -> None:
    found = summary(Record().arrivals(), np.array([1]), np.zeros(1), np.arange(2))

    assert (found.reach, found.lost) == (0, 2)
    assert np.isnan([found.p50, found.p99, found.spread_max]).all()
