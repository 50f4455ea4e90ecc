"""Failures of users that hold connections, named so that Locust's table can count them."""

import errno
import socket
import ssl

import websocket

from loadtests.sockets.errors import Unusable

NAMES = {errno.ECONNREFUSED: "refused", errno.ECONNRESET: "reset", errno.EPIPE: "reset", errno.EMFILE: "EMFILE"}


class SocketFailure(Exception):
    """What went wrong, in few words and without addresses: equal ones are counted together."""


class SocketTimeout(websocket.WebSocketException):
    """The other side does not answer; the sentence says to what."""


def failure_of(error: Exception) -> SocketFailure:
    return error if isinstance(error, SocketFailure) else SocketFailure(_name(error))


def _name(error: Exception) -> str:
    if isinstance(error, websocket.WebSocketBadStatusException):
        return f"handshake {error.status_code}"
    if isinstance(error, websocket.WebSocketTimeoutException | TimeoutError):
        return "timeout"
    if isinstance(error, ssl.SSLError):
        return f"TLS: {error.reason or 'failed'}"
    if isinstance(error, websocket.WebSocketAddressException | socket.gaierror):
        return "no such host"
    if isinstance(error, websocket.WebSocketConnectionClosedException):
        return "closed with 1006 (without a close frame)"
    if isinstance(error, SocketTimeout | Unusable):
        return str(error)
    if isinstance(error, OSError):
        return NAMES.get(error.errno or 0, error.strerror or type(error).__name__)
    return f"{type(error).__name__}: {error}"
