"""What the load generator costs, against Locust's own clients: pairs in one run, interleaved, as ratios.

(!) On a quiet machine: a neighbour moves ratios too.
"""

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import pytest

from loadtests.measure import sizing
from loadtests.sockets.echo import echo_at_rate
from loadtests.sockets.hold import hold_idle
from loadtests.sockets.pool import Pool
from loadtests.sockets.ramp import connect_ramp
from tests.contract import ROOT

PAIRS = 3
SECONDS = 8
RATE = 400  # requests a second
ECHO_RATE = 600
KIB = 1024
SCENARIOS = Path(__file__).with_name("scenarios.py")
HTTP = """
import asyncio
class Peer(asyncio.Protocol):
    def connection_made(self, transport): self.transport = transport
    def data_received(self, data):
        self.transport.write(b"HTTP/1.1 200 OK\\r\\nContent-Type: text/plain\\r\\nContent-Length: 13\\r\\n\\r\\nHello, World!" * data.count(b"\\r\\n\\r\\n"))
async def main():
    server = await asyncio.get_running_loop().create_server(Peer, "127.0.0.1", 0, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()
asyncio.run(main())
"""
ECHO = """
import asyncio, resource
from picows import WSListener, WSMsgType, ws_create_server
resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
class Peer(WSListener):
    def on_ws_frame(self, transport, frame):
        if frame.msg_type == WSMsgType.CLOSE: transport.send_close(); transport.disconnect()
        elif frame.msg_type == WSMsgType.PING: transport.send_pong(frame.get_payload_as_bytes())
        else: transport.send(frame.msg_type, frame.get_payload_as_bytes())
async def main():
    server = await ws_create_server(lambda request: Peer(), "127.0.0.1", 0, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()
asyncio.run(main())
"""


def peer(code: str) -> Iterator[str]:
    """On the first CPU; the generators have the last."""
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    os.sched_setaffinity(process.pid, {min(os.sched_getaffinity(0))})
    assert process.stdout
    yield f"127.0.0.1:{process.stdout.readline().strip()}"
    process.kill()
    process.wait()


@pytest.fixture
def http() -> Iterator[str]:
    yield from peer(HTTP)


@pytest.fixture
def echoes() -> Iterator[str]:
    yield from peer(ECHO)


SILENT = """
import resource, socket
resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
with socket.create_server(("127.0.0.1", 0), backlog=4096) as server:
    print(server.getsockname()[1], flush=True)
    kept = []
    while True: kept.append(server.accept()[0])
"""


@pytest.fixture
def silent() -> Iterator[str]:
    yield from peer(SILENT)


def cost(url: str, user: str, users: int, each: float) -> float:
    """CPU seconds a request of a Locust run."""
    argv = [sys.executable, "-m", "locust", "-f", str(SCENARIOS), user, "--headless", "-u", str(users), "-r", "10000", "-t", f"{SECONDS}s",
            "--host", url, "--rate", str(each), "--only-summary"]  # fmt: skip
    last = {max(os.sched_getaffinity(0))}
    done = subprocess.run(argv, cwd=ROOT, env={**os.environ, "EACH": str(each)}, capture_output=True, text=True,
                          preexec_fn=lambda: os.sched_setaffinity(0, last))  # fmt: skip
    found = re.search(r"^cost ([0-9.]+)$", done.stdout, re.M)
    assert found, done.stderr
    return float(found[1])


def told(what: str, ours: list[float], theirs: list[float], unit: str = "µs", scale: float = 1e6) -> float:
    ratios = [a / b for a, b in zip(ours, theirs, strict=True)]
    print(f"{what}: {median(ours) * scale:.0f} against {median(theirs) * scale:.0f} {unit}, "
          f"ratio {median(ratios):.2f} ({min(ratios):.2f} … {max(ratios):.2f})")  # fmt: skip
    return median(ratios)


@pytest.mark.timeout(300)
def test_an_open_model_request_costs_no_more_than_a_request_of_locusts_fast_user(http: str):
    pairs = [
        (cost(f"http://{http}", "Open", 1, RATE), cost(f"http://{http}", "Fast", 40, RATE / 40)) for _ in range(PAIRS)
    ]

    assert told("CPU a request", *map(list, zip(*pairs, strict=True))) <= 1.1


def held(url: str, each: float) -> tuple[int, int]:
    """(requests under way, KiB of the whole process)"""
    argv = [sys.executable, "-m", "locust", "-f", str(SCENARIOS), "Held", "--headless", "-u", "1", "-t", "2s", "-s", "1",
            "--host", url, "--rate", str(each), "--only-summary"]  # fmt: skip
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True)
    found = re.search(r"^held (\d+) (\d+)$", done.stdout, re.M)
    assert found, done.stderr
    return int(found[1]), int(found[2])


@pytest.mark.timeout(60)
def test_a_request_under_way_takes_less_of_a_generator_than_docs_sizing_says(silent: str):
    few, many = held(f"http://{silent}", 5), held(f"http://{silent}", 1000)
    each = (many[1] - few[1]) / (many[0] - few[0])
    print(f"a generator: {few[1] / KIB:.0f} MiB, and {each:.1f} KiB for each of {many[0]} requests under way")

    assert few[1] * KIB <= 1.1 * sizing.PROCESS_BYTES
    assert each * KIB <= 1.2 * sizing.REQUEST_BYTES


@pytest.mark.timeout(300)
def test_an_echo_costs_less_than_one_of_locust_with_websocket_client(echoes: str):
    pairs = [(driver(echoes), cost(f"http://{echoes}", "Echo", 60, ECHO_RATE / 60)) for _ in range(PAIRS)]

    assert told("CPU an echo", *map(list, zip(*pairs, strict=True))) <= 0.8


def driver(address: str) -> float:
    async def run() -> float:
        async with Pool(f"http://{address}", path="/") as pool:
            await connect_ramp(pool, 60, 500)
            return (await echo_at_rate(pool, ECHO_RATE, SECONDS)).cpu

    return alone(run())


def alone(work) -> float:
    """On the generator's CPU."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(before)})
    try:
        return asyncio.run(work)
    finally:
        os.sched_setaffinity(0, before)


@pytest.mark.timeout(300)
def test_one_process_holds_5000_idle_websockets_at_16_kib_each(echoes: str):
    async def run():
        async with Pool(f"http://{echoes}", path="/") as pool:
            ramp = await connect_ramp(pool, 5000, 500)
            return ramp, await hold_idle(pool, 3)

    ramp, hold = alone(run())
    print(f"an idle WebSocket: {ramp.generator_per_connection / KIB:.1f} KiB; {ramp.opened} opened, {hold.lost} lost")

    assert (ramp.opened, hold.lost, hold.silent) == (5000, 0, 0)
    assert ramp.generator_per_connection <= 16 * KIB
