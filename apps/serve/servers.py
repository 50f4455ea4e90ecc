"""The table of servers, the only place that knows one: a function in commands.py and a line here add another."""

from collections.abc import Callable
from dataclasses import dataclass

from serve import commands
from serve.commands import Launch

WSGI, ASGI = ("wsgi",), ("asgi",)
HTTP1, HTTP2 = ("HTTP/1.1",), ("HTTP/1.1", "HTTP/2")
APPS, OPTIONAL, APACHE = "apps", "apps/serve", "apps/serve/mod_wsgi"
WHOLE = (
    "streaming of requests: a body is whole in memory, or in a file below /tmp (64 MB in containers), before it is seen"
)


@dataclass(frozen=True)
class Server:
    """`module` must be installed, from the lock file of `packages`; `about` and the rest are for people."""

    interfaces: tuple[str, ...]
    module: str
    command: Callable[[Launch], list[str]]
    about: str
    stop: str  # what SIGTERM does
    packages: str = OPTIONAL
    per_cpu: bool = False  # one worker for each CPU unless WEB_CONCURRENCY says otherwise
    protocols: tuple[str, ...] = HTTP1
    upstream_http2: bool = False  # UPSTREAM_HTTP2=1: speaks it in clear text, and stops as gracefully as over HTTP/1.1
    websockets: bool = False
    loses: str = ""  # of what the contract promises
    matrix_only: bool = False
    program: tuple[str, str] | None = None  # needed from outside of pip, and how to get it


SERVERS = {
    "gunicorn": Server(
        WSGI,
        "gunicorn",
        commands.gunicorn,
        about="threads (`THREADS`), one worker for each CPU",
        stop="serves its queue, closes the listener, finishes",
        packages=APPS,
        per_cpu=True,
    ),
    "gunicorn-sync": Server(
        WSGI,
        "gunicorn",
        commands.gunicorn_sync,
        about="one request at a time in each worker",
        stop="finishes; loses its queue when it has several workers",
        packages=APPS,
        per_cpu=True,
    ),
    "gunicorn-gevent": Server(
        WSGI,
        "gevent",
        commands.gunicorn_gevent,
        about="a greenlet for each connection",
        stop="closes the listener, finishes",
        per_cpu=True,
    ),
    "uvicorn": Server(
        ASGI,
        "uvicorn",
        commands.uvicorn,
        about="one event loop a replica",
        stop="serves its queue, closes the listener, finishes",
        packages=APPS,
        websockets=True,
    ),
    "gunicorn-asgi": Server(
        ASGI,
        "gunicorn",
        commands.gunicorn_asgi,
        about="Gunicorn's own event loop, one worker for each CPU",
        stop="closes the listener, finishes",
        packages=APPS,
        per_cpu=True,
        loses="the body of a refused handshake",
        websockets=True,
    ),
    "granian": Server(
        WSGI + ASGI,
        "granian",
        commands.granian,
        about="HTTP in Rust; threads (`THREADS`) or event loops, one worker for each CPU",
        stop="closes the listener, finishes; may end before a WebSocket's close frame has left",
        per_cpu=True,
        protocols=HTTP2,
        upstream_http2=True,
        loses="headers of an accepted handshake, and of a WSGI body that breaks off the fact that it did",
        websockets=True,
    ),
    "hypercorn": Server(
        ASGI,
        "hypercorn",
        commands.hypercorn,
        about="one event loop a replica",
        stop="closes the listener, finishes; loses its queue when it has several workers",
        protocols=HTTP2,
        websockets=True,
    ),
    "daphne": Server(
        ASGI,
        "daphne",
        commands.daphne,
        about="one event loop a replica, on Twisted",
        stop="serves its queue, closes the listener, finishes",
        loses=f"{WHOLE}; the body of a refused handshake",
        websockets=True,
    ),
    "uwsgi": Server(
        WSGI,
        "pyuwsgi",
        commands.uwsgi,
        about="threads (`THREADS`) in C, one worker for each CPU; no kept connections",
        stop="finishes; loses its queue, and long polls run to their end",
        per_cpu=True,
    ),
    "mod_wsgi": Server(
        WSGI,
        "mod_wsgi",
        commands.mod_wsgi,
        about="Apache with threads (`THREADS`), one worker for each CPU",
        stop="closes the listener, finishes; loses its queue, and long polls run to their end",
        packages=APACHE,
        per_cpu=True,
        program=("apxs", "apt install apache2-bin apache2-dev"),
    ),
    "waitress": Server(
        WSGI,
        "waitress",
        commands.waitress,
        about="threads (`THREADS`) behind one event loop",
        stop="serves its queue, closes the listener, finishes",
        loses=WHOLE,
    ),
    "uvicorn-a2wsgi": Server(
        WSGI,
        "a2wsgi",
        commands.uvicorn_a2wsgi,
        about="a WSGI application crossing over to Uvicorn, in threads (`THREADS`)",
        stop="serves its queue, closes the listener, finishes",
        loses="time, in an event loop and a queue before each part of a body",
    ),
    "gunicorn-a2wsgi": Server(
        ASGI,
        "a2wsgi",
        commands.gunicorn_a2wsgi,
        about="an ASGI application crossing over to Gunicorn's threads",
        stop="serves its queue, closes the listener, finishes",
        per_cpu=True,
        loses="WebSockets; each wait, long poll and event stream holds one of `THREADS`",
    ),
    "wsgiref": Server(
        WSGI,
        "wsgiref",
        commands.wsgiref,
        about="the standard library's reference, one request at a time",
        stop="finishes one",
        packages=APPS,
        matrix_only=True,
        loses="kept connections, concurrency",
    ),
    "tornado": Server(
        WSGI,
        "tornado",
        commands.tornado,
        about="Tornado's WSGIContainer, as a reference",
        stop="breaks off what it has begun",
        matrix_only=True,
        loses="streaming: bodies are whole in memory, both ways",
    ),
}
DEFAULTS = {"wsgi": "gunicorn", "asgi": "uvicorn"}
