"""Why a connection did not come about: one short word to count by, and a sentence for people."""

import errno
import socket
import ssl

from picows import WSHandshakeError

WORDS = {
    errno.ECONNREFUSED: "refused",
    errno.ECONNRESET: "closed",
    errno.EPIPE: "closed",
    errno.EMFILE: "EMFILE",
    errno.ENFILE: "EMFILE",
    errno.EADDRNOTAVAIL: "no free port",
    errno.ETIMEDOUT: "timeout",
}
SENTENCES = {
    "refused": "nothing listens at {url}; start the stack with ./ponte up or name another HOST",
    "timeout": "{url} did not answer in time",
    "closed": "{url} closed the connection without an answer",
    "no such host": "{url}: no such host",
    "tls": "{url}: TLS failed ({detail})",
    "EMFILE": "this process ran out of open files on the way to {url}",
    "404": "{url} is 404; does the address name a service, as in http://HOST:PORT/fastapi?",
    "501": "{url} is 501: this service has no WebSockets (WSGI); choose an ASGI one",
    "200": "{url} answered 200 instead of 101; it is no WebSocket endpoint",
    "not a WebSocket": "{url} answered, and it is no WebSocket endpoint ({detail})",
}
OTHERWISE = "{url} refused the WebSocket: {word} ({detail})"


class Closed(ConnectionError):
    """The other side closed the connection before it answered the handshake."""


def word(error: BaseException) -> str:
    """502, 503 and their like, or one of refused, timeout, closed, EMFILE, tls, no free port, no such host, failed."""
    if isinstance(error, WSHandshakeError):
        status = int(error.response.status) if error.response else 0
        return str(status) if status not in (0, 101) else "not a WebSocket"
    for kind, name in ((TimeoutError, "timeout"), (ssl.SSLError, "tls"), (socket.gaierror, "no such host")):
        if isinstance(error, kind):
            return name
    if isinstance(error, OSError) and error.errno in WORDS:
        return WORDS[error.errno]
    if isinstance(error, ConnectionError):
        return "closed"
    # asyncio tries each address of a name and joins what they said into an error without a number.
    return "refused" if "Connect call failed" in str(error) else "failed"


def sentence(url: str, error: BaseException) -> str:
    name = word(error)
    if name == "closed" and url.startswith("wss:"):
        name, error = "tls", Closed("it closed the connection; does it speak TLS?")
    return SENTENCES.get(name, OTHERWISE).format(url=url, word=name, detail=str(error).rstrip("."))
