"""Gunicorn's ASGI worker, leaving idle connections when it stops.

The stock worker waits for every connection until GRACEFUL_TIMEOUT, those of the proxy too, on which nothing comes.
"""

from typing import Any

from gunicorn.asgi.protocol import ASGIProtocol
from gunicorn.workers import gasgi

from serve.listener import LINGER_SECONDS


class Connection(ASGIProtocol):
    def connection_made(self, transport: Any) -> None:
        self.worker.connections.add(self)
        super().connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self.worker.connections.discard(self)
        super().connection_lost(exc)

    def leave_if_idle(self) -> None:
        if self._keepalive_handle:  # armed while it waits for the next request, and only then
            self._keepalive_timeout()


assert hasattr(gasgi, "ASGIProtocol"), "Gunicorn no longer has ASGIProtocol"
gasgi.ASGIProtocol = Connection


class LeavingWorker(gasgi.ASGIWorker):
    def __init__(self, *words: Any, **named: Any) -> None:
        super().__init__(*words, **named)
        self.connections: set[Connection] = set()

    async def _shutdown(self) -> None:
        self.loop.call_later(LINGER_SECONDS, self.leave_idle)
        await super()._shutdown()

    def leave_idle(self) -> None:
        for connection in list(self.connections):
            connection.leave_if_idle()
