"""What a request costs: GET /json at one rate for all, CPU of the replica's whole family, and its memory."""

import asyncio
import time
from dataclasses import dataclass

from loadtests.measure.processes import Tree
from tests import wire
from tests.matrix.boot import Up
from tests.matrix.findings import Found

RATE = 200  # requests a second, far from what any of them carries
CONNECTIONS = 4
WARM_UP_SECONDS, SECONDS = 1.0, 4.0
RATE_SHARE = 0.95  # below it, the machine was too busy for an equal rate
REQUEST = "GET {}/json HTTP/1.1\r\nHost: localhost\r\n\r\n"


@dataclass
class Count:
    answered: int = 0
    failed: int = 0


def cost(up: Up) -> Found:
    """Through the edge, which keeps connections to the replica where the server does."""
    found, family = Found(), Tree((up.process.pid,))
    load(up, WARM_UP_SECONDS)
    before, began = family.cpu(), time.monotonic()
    count = load(up, SECONDS)
    seconds, used = time.monotonic() - began, family.cpu() - before
    rate = count.answered / seconds
    found.ask("every request of the load is answered", f"{count.failed} were not" if count.failed else "")
    found.figures = {
        "cpu_us": round(used / max(count.answered, 1) * 1e6), "memory": family.memory(), "rate": round(rate, 1),
        "equal_rate": rate >= RATE * RATE_SHARE,
    }  # fmt: skip
    return found


def load(up: Up, seconds: float) -> Count:
    count = Count()
    asyncio.run(clients(up.address, REQUEST.format(up.prefix).encode(), seconds, count))
    return count


async def clients(address: wire.Address, request: bytes, seconds: float, count: Count) -> None:
    each, begin = CONNECTIONS / RATE, time.monotonic()
    turns = [begin + number * each / CONNECTIONS for number in range(CONNECTIONS)]
    await asyncio.gather(*(client(address, request, turn, each, begin + seconds, count) for turn in turns))


async def client(address: wire.Address, request: bytes, due: float, each: float, end: float, count: Count) -> None:
    """One kept connection to the edge; a request when it is due, or at once when the one before took longer."""
    reader, writer = await asyncio.open_connection(*address)
    try:
        while due < end:
            await asyncio.sleep(due - time.monotonic())
            writer.write(request)
            if await status(reader) == 200:
                count.answered += 1
            else:
                count.failed += 1
            due += each
    except (OSError, asyncio.IncompleteReadError):
        count.failed += 1
    finally:
        writer.close()


async def status(reader: asyncio.StreamReader) -> int:
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(wire.headers(head).get("content-length", 0))
    await (reader.readexactly(length) if length else chunks(reader))
    return wire.statuses(head)[0]


async def chunks(reader: asyncio.StreamReader) -> None:
    while size := int(await reader.readline(), 16):
        await reader.readexactly(size + 2)
    await reader.readline()
