"""Answers of every kind, with the way to get each."""

from dataclasses import dataclass

from tests import wire

PASSWORD = "Basic YWRhOnNlY3JldA=="  # ada:secret
HOST = "shop.test"
LONG = "a" * 9000
MANY = tuple((f"X-{k}", "1") for k in range(101))


@dataclass(frozen=True)
class Case:
    status: int
    path: str
    method: str = "GET"
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


CASES = {
    "the site": Case(200, "/"),
    "a file of the site": Case(200, "/site.css"),
    "a static file": Case(200, "/static/django/a.css"),
    "a report": Case(200, "/reports/run/", headers=(("Authorization", PASSWORD),)),
    "health": Case(200, "/healthz"),
    "WSGI": Case(200, "/flask/json"),
    "ASGI": Case(200, "/fastapi/json"),
    "HEAD": Case(200, "/flask/json", "HEAD"),
    "a part": Case(206, "/site.css", headers=(("Range", "bytes=0-9"),)),
    "a folder without its slash": Case(301, "/reports/run", headers=(("Authorization", PASSWORD),)),
    "a prefix without its slash": Case(308, "/flask"),
    "a broken path": Case(400, "/%00"),
    "no password": Case(401, "/reports/"),
    "a folder": Case(403, "/static/"),
    "nothing": Case(404, "/nothing"),
    "nothing static": Case(404, "/static/nothing"),
    "POST to a file": Case(405, "/", "POST"),
    "TRACE": Case(405, "/flask/", "TRACE"),
    "a large body": Case(413, "/flask/echo", "POST", body=b"a" * 5000),
    "a range outside": Case(416, "/site.css", headers=(("Range", "bytes=9999999-"),)),
    "a static range outside": Case(416, "/static/django/a.css", headers=(("Range", "bytes=9999999-"),)),
    "a long URI": Case(414, f"/flask/{LONG}"),
    "too many requests": Case(429, "/robots.txt", headers=(("X-Forwarded-For", "198.51.100.1"),)),
    "many headers": Case(431, "/", headers=MANY),
    "an error of an application": Case(500, "/flask/failure"),
    "no replica": Case(502, "/django/"),
    "an application that is busy": Case(503, "/fastapi/problem"),
    "a silent replica": Case(504, "/flask/hang", "POST"),
}

# What no HTTP library sends. (!) Of a long header over HTTP/2 nginx ends the connection (ENHANCE_YOUR_CALM).
RAW = {
    "a long header": (431, wire.request("GET / HTTP/1.1", f"X-Long: {LONG}", host=HOST)),
    "not HTTP": (400, b"GET / HTTP/1.1 extra\r\n\r\n"),
    "an unknown coding": (501, wire.request("POST /flask/echo HTTP/1.1", "Transfer-Encoding: br", host=HOST)),
    "HTTP/3.0": (505, wire.request("GET / HTTP/3.0", host=HOST)),
}

ONCE = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "SAMEORIGIN",
    "referrer-policy": "strict-origin-when-cross-origin",
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}
HSTS = "max-age=63072000"
RETRY_AFTER = {429: ["2"], 502: ["2"], 503: ["2"], 504: ["2"]}
# An application's own: tests/config/edge.py.
OWN = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "unsafe-none",
    "permissions-policy": "camera=(self)",
    "content-security-policy": "mine",
}
