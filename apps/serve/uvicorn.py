"""`python -m serve.uvicorn app:app --port 8000`: Uvicorn with its own options, stopping without losing a request.

Stock Uvicorn closes idle connections in the moment it stops: a request the proxy is just sending on one is lost.
This server closes the listener, ends WebSockets with 1012, and answers late requests with `Connection: close`,
each idle connection a while from its last use, before the stock shutdown. With several workers the parent closes its
own copy of the listener before it signals them, else it would go on accepting for nobody.
"""

import asyncio
import importlib
import logging
import os
import signal
import socket
import sys
import time

from core import logs
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import Server
from uvicorn.supervisors import multiprocess

from serve.commands import CROSSING
from serve.listener import LAST_HANDSHAKES_SECONDS, LINGER_SECONDS, stop_queueing

CLOSE = (b"connection", b"close")


class LingeringServer(Server):
    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await self.close_listeners(sockets or [])
        self.server_state.default_headers.append(CLOSE)
        for connection in list(self.server_state.connections):
            if isinstance(connection, HttpToolsProtocol):
                leave_when_idle(connection)
            else:
                connection.shutdown()
        await self.linger()
        await super().shutdown(sockets)

    async def close_listeners(self, sockets: list[socket.socket]) -> None:
        listeners = [listener for server in self.servers for listener in server.sockets]
        if self.config.workers == 1 and not self.config.should_reload:  # else others go on with the same socket
            for listener in listeners:
                stop_queueing(listener)
        await asyncio.sleep(LAST_HANDSHAKES_SECONDS)  # the loop accepts what is queued
        for server in self.servers:
            server.close()
        for listener in sockets:
            listener.close()

    async def linger(self) -> None:
        end = time.monotonic() + LINGER_SECONDS
        while self.server_state.connections and time.monotonic() < end and not self.force_exit:
            await asyncio.sleep(0.05)


def leave_when_idle(connection: HttpToolsProtocol) -> None:
    shift = max(0, connection.timeout_keep_alive - LINGER_SECONDS)
    connection.timeout_keep_alive -= shift  # type: ignore[assignment]  # call_later takes fractions too
    if timer := connection.timeout_keep_alive_task:
        timer.cancel()
        handler = connection.timeout_keep_alive_handler
        connection.timeout_keep_alive_task = connection.loop.call_at(timer.when() - shift, handler)


class ClosingMultiprocess(multiprocess.Multiprocess):
    def terminate_all(self) -> None:
        for listener in self.sockets:
            stop_queueing(listener)
            listener.close()
        super().terminate_all()


# (!) The attribute `uvicorn.main` is a function; the module of that name has to be asked for.
command = importlib.import_module("uvicorn.main")
# At import, not under __main__: worker processes import this module again.
for module, name, ours in (
    (command, "Server", LingeringServer),
    (multiprocess, "Server", LingeringServer),
    (command, "Multiprocess", ClosingMultiprocess),
    (command, "LOGGING_CONFIG", None),  # core.logs has set up logging for every server alike
):
    assert hasattr(module, name), f"Uvicorn no longer has {name}"
    setattr(module, name, ours)

# Written after every handshake that the application has refused by websocket.http.response.
UNTRUE = "ASGI callable returned without completing handshake."


def no_line_for_each_websocket(record: logging.LogRecord) -> bool:
    """Uvicorn and websockets write them to the error log; ACCESS_LOG=1 has one of our own."""
    if "websockets" not in record.pathname:
        return True
    return record.levelno > logging.INFO and record.msg != UNTRUE


logging.getLogger("uvicorn.error").addFilter(no_line_for_each_websocket)
logs.configure(os.environ.get("SERVICE", ""), os.environ.get("REPLICA", ""), os.environ.get("LOG_LEVEL") or "info")


def leave(*_: object) -> None:
    """Uvicorn ends by the signal that it was sent, and jobs in threads with it: an exit waits for them."""
    sys.exit()


if CROSSING in sys.argv:  # an ASGI application has finished its jobs by then
    signal.signal(signal.SIGTERM, leave)
if __name__ == "__main__":
    command.main(prog_name="uvicorn")
