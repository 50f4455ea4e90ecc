"""Connections of the WebSocket driver: opened at a rate, held, counted when they fail."""

import asyncio
import os
import resource
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from loadtests.sockets.address import websocket_url
from loadtests.sockets.errors import Unusable
from loadtests.sockets.figures import arrays, figures
from loadtests.sockets.hold import Hold, hold_idle
from loadtests.sockets.limits import raise_open_files
from loadtests.sockets.pool import Pool
from loadtests.sockets.ramp import Ramp, connect_ramp
from tests.chatserver import ChatServer, chat_server

ROOT = Path(__file__).parents[2]
DRIVER = """
import asyncio, sys
from loadtests.sockets.pool import Pool
from loadtests.sockets.ramp import connect_ramp

async def main():
    async with Pool(sys.argv[1]) as pool:
        print((await connect_ramp(pool, 500, 500)).generator_per_connection)

asyncio.run(main())
"""
SERVER = """
from tests.chatserver import chat_server

with chat_server() as server:
    print(server.url, flush=True)
    input()
"""


@contextmanager
def separate_server() -> Iterator[str]:
    """In a process of its own, so that its memory is not counted."""
    argv = [sys.executable, "-c", SERVER]
    with subprocess.Popen(argv, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin and process.stdout
        yield process.stdout.readline().strip()
        process.stdin.write("\n")
        process.stdin.close()


@pytest.fixture
def server() -> Iterator[ChatServer]:
    with chat_server() as started:
        yield started


def ramp(server: ChatServer, connections: int = 40, rate: float = 200, **options) -> Ramp:
    async def run() -> Ramp:
        async with Pool(server.url, handshake_seconds=2) as pool:
            return await connect_ramp(pool, connections, rate, **options)

    return asyncio.run(run())


def why(base: str, path: str = "/ws/echo") -> str:
    async def run() -> None:
        async with Pool(base, path):
            pass

    with pytest.raises(Unusable) as raised:
        asyncio.run(run())
    return str(raised.value)


@pytest.mark.parametrize(
    ("base", "url"),
    [
        ("http://a:8080/fastapi", "ws://a:8080/fastapi/ws/echo"),
        ("http://a:8080/fastapi/", "ws://a:8080/fastapi/ws/echo"),
        ("https://example.org", "wss://example.org/ws/echo"),
        ("http://[::1]:8080", "ws://[::1]:8080/ws/echo"),
    ],
)
def test_any_http_address_becomes_that_of_its_websocket(base: str, url: str) -> None:
    assert websocket_url(base, "/ws/echo") == url


@pytest.mark.parametrize("base", ["", "localhost", "ftp://a", "http://", "http://a:99999", "http://a:b"])
def test_what_is_no_address_is_quoted(base: str) -> None:
    with pytest.raises(Unusable, match="is no address; write http://HOST:PORT/SERVICE"):
        websocket_url(base, "/ws/echo")


def test_connections_arrive_at_the_rate_and_are_spread_over_the_replicas(server: ChatServer) -> None:
    found = ramp(server, 40, 200)

    assert (found.opened, found.failures, found.interrupted) == (40, {}, False)
    assert found.replicas == {"app/app-1": 20, "app/app-2": 20}
    assert found.intended[-1] - found.intended[0] == pytest.approx(39 / 200)
    assert 0 < found.p50 <= found.p99 <= found.max < 5


def test_a_server_that_stands_still_is_seen_in_every_handshake_that_was_due(server: ChatServer) -> None:
    server.loop.call_soon_threadsafe(server.loop.call_later, 0.2, time.sleep, 0.6)
    found = ramp(server, 100, 200)

    assert found.max > 0.5
    assert (found.done - found.intended > 0.2).sum() > 20


def test_handshakes_that_a_stalled_generator_starts_late_count_from_when_they_were_due(server: ChatServer) -> None:
    async def run() -> Ramp:
        async with Pool(server.url) as pool:
            asyncio.get_running_loop().call_later(0.1, time.sleep, 0.4)
            return await connect_ramp(pool, 100, 200)

    found = asyncio.run(run())

    assert found.max > 0.35 and found.late > 40


@pytest.mark.parametrize("status", [502, 503])
def test_handshakes_that_fail_are_counted_by_their_status(server: ChatServer, status: int) -> None:
    async def run() -> Ramp:
        async with Pool(server.url) as pool:
            server.status["/ws/echo"] = status
            return await connect_ramp(pool, 10, 200)

    found = asyncio.run(run())

    assert (found.opened, found.failures) == (0, {str(status): 10})


def test_a_server_that_is_gone_is_refused(server: ChatServer) -> None:
    async def run() -> Ramp:
        async with Pool(server.url) as pool:
            server.stop()
            await asyncio.sleep(0.3)
            return await connect_ramp(pool, 5, 200)

    assert asyncio.run(run()).failures == {"refused": 5}


def test_running_out_of_open_files_is_called_so(server: ChatServer) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)

    def scarce(done: float, total: float) -> None:
        if resource.getrlimit(resource.RLIMIT_NOFILE)[0] != hard:
            return
        lowest_free = os.dup(0)
        os.close(lowest_free)
        resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free + 1, hard))

    try:
        found = ramp(server, 30, 20, progress=scarce)  # slowly: the limit falls when the first is through
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    assert found.failures.get("EMFILE", 0) > 0, found.failures


def test_more_connections_than_files_are_refused_in_a_sentence() -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]

    assert raise_open_files(10) == ""
    assert f"may have {hard}" in raise_open_files(hard)
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == hard


@pytest.mark.parametrize("given", [{"connections": 0}, {"rate": 0}, {"rate": -1}])
def test_nonsense_is_refused_in_a_sentence(server: ChatServer, given: dict) -> None:
    with pytest.raises(Unusable, match="must be above 0"):
        ramp(server, **given)


@pytest.mark.parametrize(
    ("status", "sentence"),
    [(404, "is 404; does the address name a service"), (501, "has no WebSockets (WSGI)"), (403, "refused the WebSocket: 403"),
     (200, "it is no WebSocket endpoint")],
)  # fmt: skip
def test_an_endpoint_that_is_no_websocket_is_said_to_be_none(server: ChatServer, status: int, sentence: str) -> None:
    server.status["/ws/echo"] = status

    assert sentence in why(server.url)


def test_a_host_that_is_down_and_one_without_tls_are_said_to_be_so(server: ChatServer) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        assert "nothing listens at ws://127.0.0.1:" in why(f"http://127.0.0.1:{free.getsockname()[1]}")
    assert "TLS failed" in why(server.url.replace("http", "https"))


def test_a_connection_takes_at_most_16_kib_of_the_generator(tmp_path: Path) -> None:
    driver = tmp_path / "driver.py"
    driver.write_text(DRIVER)
    with separate_server() as url:
        ran = subprocess.run([sys.executable, str(driver), url], capture_output=True, text=True, timeout=60,
                             env={**os.environ, "PYTHONPATH": str(ROOT)})  # fmt: skip

    assert float(ran.stdout) < 16 * 1024, ran


def test_the_caller_tells_the_memory_of_the_servers(server: ChatServer) -> None:
    asked = iter([{"app": 1000.0}, {"app": 9000.0}])
    found = ramp(server, 40, memory=lambda: next(asked))

    assert found.server_per_connection == {"app": 200.0}


def hold(server: ChatServer, seconds: float, path: str = "/ws/echo", meanwhile=None) -> Hold:
    async def run() -> Hold:
        async with Pool(server.url, path) as pool:
            await connect_ramp(pool, 10, 500)
            if meanwhile:
                asyncio.get_running_loop().run_in_executor(None, meanwhile)
            return await hold_idle(pool, seconds)

    return asyncio.run(run())


def test_held_connections_answer_the_pings_of_the_server(server: ChatServer) -> None:
    found = hold(server, 2.2)  # the server gives up on a connection whose answer is missing for one

    assert (found.connections, found.lost, found.silent) == (10, 0, 0)
    assert found.pings >= 30  # three each: one every half second


@pytest.mark.parametrize(("abort", "code"), [(False, 1012), (True, 1006)])
def test_connections_that_are_cut_are_counted_with_their_code(server: ChatServer, abort: bool, code: int) -> None:
    found = hold(server, 0.8, "/ws/chat", lambda: server.restart(1012, abort))

    assert (found.connections, found.lost, found.close_codes) == (10, 10, {code: 10})
    assert len(found.lost_after) == 10 and 0 <= found.lost_after.max() < 0.8


def test_an_interrupt_keeps_what_was_measured(server: ChatServer) -> None:
    async def run() -> tuple[Ramp, Hold]:
        async with Pool(server.url) as pool:
            task = asyncio.current_task()
            assert task
            asyncio.get_running_loop().call_later(0.3, task.cancel)
            first = await connect_ramp(pool, 1000, 50)
            asyncio.get_running_loop().call_later(0.3, task.cancel)
            return first, await hold_idle(pool, 60)

    first, second = asyncio.run(run())

    assert first.interrupted and 0 < first.opened < 1000
    assert second.interrupted and second.seconds < 5 and second.connections == first.opened


def test_a_result_is_figures_and_arrays(server: ChatServer) -> None:
    found = ramp(server, 5)

    assert figures(found)["replicas"] == found.replicas
    assert set(arrays(found)) == {"intended", "sent", "done", "outcome"}
    assert not set(arrays(found)) & set(figures(found))
