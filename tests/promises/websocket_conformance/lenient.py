"""A WebSocket server that checks nothing: what the cases have to catch."""

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tests import wire
from tests.promises.websocket_conformance.frames import ACCEPT, CLOSE, PING, PONG, announced, frame, xor


class Lenient(socketserver.StreamRequestHandler):
    """Gives back what it gets, frame by frame, and a pong for a ping."""

    timeout = 0.2  # then it closes: a case that waits for a refusal need not wait long

    def handle(self) -> None:
        while self.rfile.readline().strip():
            pass
        lines = (b"HTTP/1.1 101 Switching Protocols", b"Upgrade: websocket", b"Connection: Upgrade")
        self.wfile.write(b"\r\n".join(lines) + b"\r\nSec-WebSocket-Accept: " + ACCEPT + b"\r\n\r\n")
        while head := self.rfile.read(2):
            self.give_back(head[0] & 0x0F, self.payload(head[1]))
            if head[0] & 0x0F == CLOSE:
                break

    def payload(self, word: int) -> bytes:
        size = announced(word, self.rfile)
        key = self.rfile.read(4) if word & 0x80 else bytes(4)
        return xor(self.rfile.read(size), key)

    def give_back(self, opcode: int, payload: bytes) -> None:
        self.wfile.write(frame(PONG if opcode == PING else opcode, payload, key=None))


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True

    def handle_error(self, *_: object) -> None: ...


@contextmanager
def lenient() -> Iterator[wire.Address]:
    with Server(("127.0.0.1", 0), Lenient) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield server.server_address
        server.shutdown()
