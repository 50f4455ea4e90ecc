"""Gunicorn's threaded worker, stopping without losing a request.

The stock worker keeps the listening socket open until its last request is done: connections still succeed,
wait, and are reset at the end (gunicorn#922, #3397). This one serves what is queued, then closes the socket,
so that a proxy is refused at once and takes another replica.

It also says "Connection: close" on every answer begun after the stop. The stock worker decides that before the
application runs: a slow answer leaves one more connection that the proxy takes for usable until it is closed.

It reads more of a body that the application left unread. The stock worker gives up after 64 KiB and closes
a connection that it has just called kept-alive; a proxy that had sent the body whole would use it again.

And it sends the head of an answer together with the first part of its body. Between the stock worker's two sends it
can be killed: the proxy has passed a status on by then, and can neither ask another replica nor say 502.

A thread waits a moment for the next request of the connection it has answered, as long as nobody waits for a thread.
The stock worker hands each connection back to its main thread, which hands the next request on to a thread: two
wake-ups and five system calls a request that a proxy, which keeps asking on the same connections, makes for nothing.
"""

import os
import select
import socket
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from math import inf
from typing import Any

from gunicorn.http import wsgi
from gunicorn.workers import gthread
from gunicorn.workers.gthread import TConn, ThreadWorker

from serve.listener import LAST_HANDSHAKES_SECONDS, LINGER_SECONDS

# How long a thread stays with the connection it has answered. Short: a stop counts from the last use of a connection.
STAY_SECONDS = 0.1
DRAIN_SECONDS = 5
# More than the socket buffers between a proxy and a worker hold: beyond that the proxy has not sent the body whole.
DRAIN_BYTES = 16 * 1024 * 1024


class WholeResponse(wsgi.Response):
    sock: Any

    def write(self, arg: bytes) -> None:
        if self.headers_sent:
            return super().write(arg)
        connection, self.sock = self.sock, Gathered()
        try:
            super().write(arg)
        finally:
            gathered, self.sock = self.sock, connection
        connection.sendall(b"".join(gathered))


class Gathered(list[bytes]):
    """Stands in for the connection while the parts are made."""

    sendall = list.append


wsgi.Response = WholeResponse  # wsgi.create looks there
assert hasattr(gthread, "STOP_KEEPALIVE_LINGER"), "Gunicorn no longer has STOP_KEEPALIVE_LINGER"
# Of connections whose answer was begun before the stop.
gthread.STOP_KEEPALIVE_LINGER = LINGER_SECONDS


class DrainingWorker(ThreadWorker):
    alive: bool  # False: stopping
    wsgi: Any  # the application
    taken = 0  # connections that have a thread, or wait for one

    def init_process(self) -> None:
        # Readable while more connections than threads are taken: those that stay with an idle one leave it.
        self.wanted, self.want = os.pipe()
        super().init_process()

    def enqueue_req(self, conn: TConn) -> None:
        self.taken += 1
        if self.taken == self.cfg.threads + 1:
            os.write(self.want, b"!")
        super().enqueue_req(conn)

    def finish_request(self, conn: TConn, fs: Future[Any]) -> None:
        if self.taken == self.cfg.threads + 1:
            os.read(self.wanted, 1)
        self.taken -= 1
        super().finish_request(conn, fs)

    def handle(self, conn: TConn) -> object:
        kept = super().handle(conn)
        while kept is True and self.asks_again(conn):
            kept = super().handle(conn)
        return kept

    def asks_again(self, conn: TConn) -> bool:
        """At once, and nobody waits for this thread; only a connection that asks often is waited for."""
        now = time.monotonic()
        often, conn.answered = now - getattr(conn, "answered", -inf) < STAY_SECONDS, now
        if not (often and self.alive and self.taken <= self.cfg.threads) or conn.parser.unreader.buf.getvalue():
            return False
        either = select.poll()
        either.register(conn.sock, select.POLLIN)
        either.register(self.wanted, select.POLLIN)
        return [ready for ready, _ in either.poll(STAY_SECONDS * 1000)] == [conn.sock.fileno()]

    def load_wsgi(self) -> None:
        super().load_wsgi()
        application = self.wsgi

        def last_answer_says_so(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
            def start(*words: Any) -> Callable[[bytes], object]:
                if not self.alive:
                    start_response.__self__.force_close()
                return start_response(*words)

            return application(environ, start)

        self.wsgi = last_answer_says_so

    def _keepalive_after(self, conn: TConn, keepalive: bool) -> bool:
        deadline = time.monotonic() + DRAIN_SECONDS
        return keepalive and bool(conn.parser.finish_body(deadline=deadline, max_bytes=DRAIN_BYTES))

    def _cap_keepalive(self, deadline: float) -> None:
        """Those that are idle at the stop; some have been answered since, and have their end."""
        for conn in self.keepalived_conns:
            if conn.timeout > deadline:
                conn.timeout -= self.cfg.keepalive - LINGER_SECONDS

    def murder_keepalived(self, force: bool = False) -> None:
        if not self.alive and not force:  # who has sent a request meanwhile is no longer idle
            self.wait_for_and_dispatch_events(0)
        super().murder_keepalived(force)

    def is_parent_alive(self) -> bool:
        """An orphan stops too: a listener it kept open would let clients in whom nobody serves."""
        alive = super().is_parent_alive()
        self.alive = self.alive and alive
        return alive

    def set_accept_enabled(self, enabled: bool) -> None:
        if not self.alive and not enabled:
            self.go_on_accepting()
            self.accept_queue()
        super().set_accept_enabled(enabled)
        if not self.alive:
            self.close_listeners()

    def go_on_accepting(self) -> None:
        end = time.monotonic() + LAST_HANDSHAKES_SECONDS
        while (left := end - time.monotonic()) > 0:
            self.wait_for_and_dispatch_events(left)

    def accept_queue(self) -> None:
        """Takes every connection that the kernel has completed."""
        for listener in self.sockets:
            listener.setblocking(False)
            before = -1
            while before != self.nr_conns:
                before = self.nr_conns
                self.accept(listener)

    def close_listeners(self) -> None:
        for listener in self.sockets:
            listener.close()
        self.sockets: list[socket.socket] = []
