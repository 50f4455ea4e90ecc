"""What a server takes that the edge refuses. Each is read in one way only, and nothing but the edge can send it.

Seen in each server, on both of its services; a server that no longer takes one of its own fails the test.
"""

from tests.contract import SERVICES
from tests.corpus import CORPUS

CODINGS = {
    "gzip, chunked",
    "encodings in two lines",
}  # RFC 9112, section 7: chunked comes last, so the framing is clear
BARE_LF = {name for name in CORPUS if name.startswith("bare LF")}  # RFC 9112, section 2.2 lets a line end there
FOLDED = {name for name in CORPUS if "folded" in name}  # obsolete, joined to the line before
HOSTS = {"host twice", "host twice, different"}  # left to the application, which believes X-Forwarded-Host alone
LENGTH_TOO = {
    "length and chunked",
    "chunked and length",
    "length 0 and chunked",
}  # RFC 9112, section 6.3: chunked counts
CHUNKED_TWICE = {"chunked twice", "chunked, chunked"}
CONTROLS = {"control character in a value", "DEL in a value"}
OLD = {"chunked in HTTP/1.0"}  # the chunks are read, as RFC 9112, section 6.1 allows, and the connection closed
LLHTTP = CODINGS | HOSTS | OLD | {"no version", "version 2.0"}  # read as HTTP/0.9 and as HTTP/1.x
# uWSGI looks only for what it needs: a request line, lines with a colon, digits of a length, "chunked", sizes of chunks.
UWSGI_REFUSES = {
    "bare LF after every line", "bare LF at the end of the head", "bare CR in a value", "bare CR between headers",
    "no colon", "no name", "length past 64 bits", "chunk size with a plus", "chunk size with a minus",
    "chunk size with an underscore", "chunk size with a space in front", "chunk size with NUL behind",
    "chunk size past 64 bits", "chunk size ended by LF", "chunk extension with LF", "chunk without its end",
    "last chunk ended by LF", "no version", "version 2.0", "version 1.10", "version in lower case",
    "tab in the request line", "text behind the version", "method with a colon",
}  # fmt: skip
# A WSGI application under Granian sees a broken body as one that has ended: it answers, and the connection is closed.
BROKEN_CHUNKS = {
    name for name in CORPUS if name.startswith(("chunk size", "chunk ended", "chunk ext", "chunk longer", "last chunk"))
} | {"chunk without its end"}
BY_SERVER = {
    "gunicorn": CODINGS,
    "gunicorn-sync": CODINGS,
    "gunicorn-gevent": CODINGS,
    "gunicorn-asgi": CODINGS,
    "gunicorn-a2wsgi": CODINGS,
    "uvicorn": LLHTTP,
    "uvicorn-a2wsgi": LLHTTP,
    "granian": CODINGS | HOSTS | BARE_LF | LENGTH_TOO | CHUNKED_TWICE | {"length twice, equal"},
    "hypercorn": BARE_LF | LENGTH_TOO | FOLDED | CONTROLS | OLD
    | {"length as a list", "length twice, equal", "version 2.0"},
    "daphne": HOSTS | FOLDED | CONTROLS | OLD | {"encodings in two lines", "identity"},
    "mod_wsgi": FOLDED | LENGTH_TOO | OLD | {"version 2.0"},
    "uwsgi": set(CORPUS) - UWSGI_REFUSES,
    "waitress": HOSTS | LENGTH_TOO | FOLDED | CHUNKED_TWICE | OLD
    | {"no version", "version 2.0", "NUL in the path", "chunk size ended by LF", "encoding empty"},
}  # fmt: skip


def tolerated(service: str, server: str) -> set[str]:
    more = BROKEN_CHUNKS if (SERVICES[service].interface, server) == ("wsgi", "granian") else set()
    return BY_SERVER.get(server, set()) | more
