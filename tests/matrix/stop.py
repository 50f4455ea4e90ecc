"""SIGTERM while a request is being served, a kept connection is idle, an event stream and a WebSocket are open."""

import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import httpx

from tests import wire
from tests.matrix.boot import GRACEFUL_TIMEOUT, Up
from tests.matrix.findings import Found
from tests.processes import listens
from tests.sockets import code_of_close, opened
from tests.sse import Events, listen

IN_FLIGHT, IDLE, EVENTS, SOCKET = "the request in flight", "an idle kept connection", "an event stream", "a WebSocket"
EXIT, CODE, PORT = "the exit in time", "the exit code", "the port"
IN_FLIGHT_MS = 1500
UNDER_WAY_SECONDS = 0.5  # the request is being served by then, and nothing tells it
MARGIN_SECONDS = 2.0
LONGEST_SECONDS = 10
KEPT_SECONDS = 0.5  # without a word: it is idle
GOING_AWAY = 1012


def stop(up: Up) -> Found:
    """The last check of a pair: afterwards it is gone."""
    found = Found()
    with ExitStack() as opening:
        idle = opening.enter_context(kept(up.replica))
        events = opening.enter_context(listen(f"{up.url}/events", timeout=LONGEST_SECONDS)) if up.has_events else None
        talk = (
            opening.enter_context(opened(f"{up.url.replace('http', 'ws', 1)}/ws/echo")) if up.pair.websockets else None
        )
        answers: list[str] = []
        slow = threading.Thread(target=lambda: answers.append(status(f"{up.url}/wait?ms={IN_FLIGHT_MS}")))
        slow.start()
        time.sleep(UNDER_WAY_SECONDS)
        began = time.monotonic()
        up.process.send_signal(signal.SIGTERM)
        if talk:
            found.ask(SOCKET, differs(code_of_close(talk, LONGEST_SECONDS), GOING_AWAY, "closed with"))
        if events:
            found.ask(EVENTS, rest(events))
        slow.join()
        found.ask(IN_FLIGHT, differs(answers, ["200"], "answered with"))
        if idle:
            found.ask(IDLE, silent_end(idle))
    code = exit_code(up.process)
    seconds = time.monotonic() - began
    found.ask(EXIT, f"it was held for {seconds:.1f} s" if seconds > GRACEFUL_TIMEOUT + MARGIN_SECONDS else "")
    found.ask(CODE, "" if code in (None, 0, -signal.SIGTERM) else f"it was {code}")
    found.ask(PORT, "somebody listens there still" if listens(up.replica) else "")
    found.figures = {"stop_seconds": round(seconds, 2)}
    return found


@contextmanager
def kept(address: wire.Address) -> Iterator[socket.socket | None]:
    """A connection that has had its answer. (!) One the server has closed is closed by us, for some wait for that."""
    with wire.connection(address, KEPT_SECONDS) as sock:
        sock.sendall(b"GET /json HTTP/1.1\r\nHost: localhost\r\n\r\n")
        try:
            while sock.recv(65536):
                pass
            sock.close()
            yield None
        except TimeoutError:
            sock.settimeout(LONGEST_SECONDS)
            yield sock


def silent_end(sock: socket.socket) -> str:
    """What comes on an idle connection before it is closed: nothing."""
    try:
        part = sock.recv(100)
    except TimeoutError:
        return "it was not closed"
    except OSError as error:
        return f"it was broken off: {error.strerror}"
    return f"it was sent {part!r}" if part else ""


def rest(events: Events) -> str:
    return differs(events.rest(), "ended", "it was")


def status(url: str) -> str:
    try:
        return str(httpx.get(url, timeout=LONGEST_SECONDS, trust_env=False).status_code)
    except httpx.HTTPError as error:
        return type(error).__name__


def exit_code(process: subprocess.Popen[bytes]) -> int | None:
    """None when it does not end, which its time says."""
    try:
        return process.wait(LONGEST_SECONDS)
    except subprocess.TimeoutExpired:
        return None


def differs(seen: Any, wanted: Any, how: str) -> str:
    return "" if seen == wanted else f"{how} {seen}, not {wanted}"
