"""More requests at once than there is anybody to answer them, for a while."""

import asyncio
import http.client
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Thread


@contextmanager
def flood(host: str, port: int, path: str, connections: int) -> Iterator[None]:
    """So many clients that ask again as soon as they are answered; at the end of the block all hang up."""
    loop = asyncio.new_event_loop()
    clients = [ask(host, port, path) for _ in range(connections)]
    task = loop.create_task(together(clients))
    thread = Thread(target=run, args=(loop, task), daemon=True)
    thread.start()
    try:
        yield
    finally:
        loop.call_soon_threadsafe(task.cancel)
        thread.join()
        loop.close()


def run(loop: asyncio.AbstractEventLoop, task: "asyncio.Task[None]") -> None:
    with suppress(asyncio.CancelledError):
        loop.run_until_complete(task)


async def together(clients: list) -> None:
    await asyncio.gather(*clients)


async def ask(host: str, port: int, path: str) -> None:
    request = f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode()
    while True:
        with suppress(OSError):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                writer.write(request)
                await reader.read()
            finally:
                writer.close()
        await asyncio.sleep(0)


def seconds_to_answer(host: str, port: int, path: str, patience: float) -> float:
    """How long until a request got its 200; more than `patience` when it did not."""
    client, began = http.client.HTTPConnection(host, port, timeout=patience), time.monotonic()
    try:
        client.request("GET", path)
        answered = client.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        answered = False
    finally:
        client.close()
    return time.monotonic() - began + (0 if answered else patience)
