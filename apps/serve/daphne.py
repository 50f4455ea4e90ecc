"""`python -m serve.daphne app:app --port 8000`: Daphne with its own options, finishing its requests when it stops.

The stock server cancels them. This one closes the listener, waits for them, and gives idle connections a while for
what the proxy is just sending. It also tells the application of its start and its end, where jobs are finished.

WebSockets: the stock one closes with no code but 1000 (and 3000 to 4999), sends no empty message, and drops the headers
that an application accepts with. Bodies: Twisted would take forms apart, and refuse what is none.
"""

import asyncio
import os
import time
from contextlib import suppress
from typing import Any

from core import logs
from core.settings import Settings
from daphne import http_protocol, server
from daphne.cli import CommandLineInterface
from daphne.ws_protocol import WebSocketFactory, WebSocketProtocol
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.web.http import HTTPChannel

from serve.commands import HEAD_BYTES
from serve.listener import LAST_HANDSHAKES_SECONDS, LINGER_SECONDS, stop_queueing

settings = Settings.from_env(os.environ, os.environ["SERVICE"])


Message = dict[str, Any]


class Socket(WebSocketProtocol):
    def handle_reply(self, message: Message) -> None:
        REPLIES.get(message["type"], WebSocketProtocol.handle_reply)(self, message)

    def accept(self, message: Message) -> None:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in message.get("headers", ())}
        self.serverAccept((message.get("subprotocol"), headers))

    def reply(self, message: Message) -> None:
        binary = message.get("bytes") is not None
        self.serverSend(message["bytes" if binary else "text"], binary)

    def serverClose(self, code: int | None = None) -> None:  # noqa: N802  (Daphne's name)
        self.sendCloseFrame(code=code or 1000)


REPLIES = {"websocket.accept": Socket.accept, "websocket.send": Socket.reply}


class Request(http_protocol.WebRequest):
    def __init__(self, *words: Any, **named: Any) -> None:
        super().__init__(*words, **named)
        self._parsePOSTFormSubmission = False


class PatientFactory(server.HTTPFactory):
    def __init__(self, *words: Any, **named: Any) -> None:
        super().__init__(*words, **named)
        self.timeOut = settings.keepalive


class Lifespan:
    """The application's start and end, by the protocol of that name, which Daphne has not."""

    def __init__(self, application: Any) -> None:
        self.messages: asyncio.Queue[Message] = asyncio.Queue()
        self.answered = asyncio.Event()
        scope = {"type": "lifespan", "asgi": {"version": "3.0"}}
        self.task = asyncio.ensure_future(application(scope, self.messages.get, self.answer))

    async def answer(self, message: Message) -> None:
        self.answered.set()

    async def tell(self, moment: str) -> None:
        """Returns when the application has done its part, or has none."""
        self.answered.clear()
        self.messages.put_nowait({"type": f"lifespan.{moment}"})
        waiting = asyncio.ensure_future(self.answered.wait())
        await asyncio.wait([self.task, waiting], return_when=asyncio.FIRST_COMPLETED)


class FinishingServer(server.Server):
    def __init__(self, *words: Any, **named: Any) -> None:
        super().__init__(*words, **named)
        self.ports: list[Any] = []
        reactor.callWhenRunning(self.begin)

    def begin(self) -> None:
        self.lifespan = Lifespan(self.application)
        self.beginning = asyncio.ensure_future(self.lifespan.tell("startup"))

    def listen_success(self, port: Any) -> None:
        self.ports.append(port)
        super().listen_success(port)

    def kill_all_applications(self) -> Deferred:
        """Called once, before the reactor stops, which waits for the answer."""
        return Deferred.fromFuture(asyncio.ensure_future(self.finish()))

    async def finish(self) -> None:
        for port in self.ports:
            stop_queueing(port.socket)
        await asyncio.sleep(LAST_HANDSHAKES_SECONDS)
        for port in self.ports:
            port.stopListening()
        await asyncio.sleep(LINGER_SECONDS)
        end = time.monotonic() + settings.graceful_timeout
        while self.busy() and time.monotonic() < end:
            await asyncio.sleep(0.05)
        for each in self.busy():
            each.cancel()
        with suppress(TimeoutError):
            await asyncio.wait_for(self.lifespan.tell("shutdown"), max(end - time.monotonic(), 0))

    def busy(self) -> list[asyncio.Future[None]]:
        found = [about.get("application_instance") for about in self.connections.values()]
        return [each for each in found if each and not each.done()]


HTTPChannel.totalHeadersSize = HEAD_BYTES
WebSocketFactory.protocol = Socket
assert hasattr(http_protocol, "WebRequest"), "Daphne no longer has WebRequest"
http_protocol.WebRequest = Request
server.HTTPFactory = PatientFactory
CommandLineInterface.server_class = FinishingServer
logs.configure(settings.service, settings.replica, settings.log_level)

if __name__ == "__main__":
    CommandLineInterface.entrypoint()
