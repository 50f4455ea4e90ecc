"""Requests in HTTP/2 that must not become requests in HTTP/1. Each is otherwise a good one. RFC 9113, section 8."""

from collections.abc import Callable

from tests.promises.http2_downgrade.frames import Headers

Request = tuple[list[tuple[bytes, bytes]], bytes | None]  # headers, body
Build = Callable[[str], Request]  # the path to ask for


def get(*more: tuple[bytes, bytes], **pseudo: bytes) -> Build:
    return lambda path: (head(path, more, b"GET", pseudo), None)


def post(body: bytes | None, *more: tuple[bytes, bytes]) -> Build:
    return lambda path: (head(path, more, b"POST", {}), body)


def head(path: str, more: Headers, method: bytes, pseudo: dict[str, bytes]) -> list[tuple[bytes, bytes]]:
    """`{path}` within a pseudo header is the path to ask for; one without a value is left out."""
    values = {"method": method, "scheme": b"https", "authority": b"localhost", "path": b"{path}", **pseudo}
    named = [(b":" + name.encode(), value.replace(b"{path}", path.encode())) for name, value in values.items()]
    return [*(each for each in named if each[1] != LEFT_OUT), *more]


def reordered(first: tuple[bytes, bytes]) -> Build:
    return lambda path: ([first, *head(path, (), b"GET", {})], None)


LEFT_OUT = b"(left out)"
GOOD = get()

REFUSED: dict[str, Build] = {
    # Line ends
    "CR in a value": get((b"x-a", b"b\rc")),
    "LF in a value": get((b"x-a", b"b\nx-c: d")),
    "CRLF in a value": get((b"x-a", b"b\r\nx-c: d")),
    "NUL in a value": get((b"x-a", b"b\0c")),
    "CR in a name": get((b"x-a\r", b"b")),
    "LF in a name": get((b"x-a\nx-c", b"b")),
    "CRLF in a name": get((b"x-a: b\r\nx-c", b"d")),
    "NUL in a name": get((b"x\0a", b"b")),
    "colon in a name": get((b"x-a:", b"b")),
    "space in a name": get((b"x a", b"b")),
    "no name": get((b"", b"b")),
    "upper case": get((b"X-A", b"b")),
    # The request line there will be
    "space in the path": get(path=b"{path} HTTP/1.1"),
    "line in the path": get(path=b"{path} HTTP/1.1\r\nX-A: b"),
    "LF in the path": get(path=b"{path}\nb"),
    "NUL in the path": get(path=b"{path}\0b"),
    "tab in the path": get(path=b"{path}\tb"),
    "no path": get(path=LEFT_OUT),
    "empty path": get(path=b""),
    "path without a slash": get(path=b"flask/json"),
    "path with a host": get(path=b"https://localhost{path}"),
    "line in the method": get(method=b"GET {path} HTTP/1.1\r\nX-A:"),
    "method in lower case": get(method=b"get"),
    "no method": get(method=LEFT_OUT),
    "no scheme": get(scheme=LEFT_OUT),
    "scheme with a host": get(scheme=b"https://evil.example/?"),
    # Hosts
    "line in the authority": get(authority=b"localhost\r\nX-A: b"),
    "space in the authority": get(authority=b"localhost x"),
    "path in the authority": get(authority=b"localhost/x"),
    "user in the authority": get(authority=b"evil@localhost"),
    "authority of another": get(authority=b"evil.example"),
    "host of another": get((b"host", b"evil.example")),
    "host that differs": get((b"host", b"nginx")),
    "no host at all": get(authority=LEFT_OUT),
    "two hosts": get((b"host", b"localhost"), (b"host", b"localhost"), authority=LEFT_OUT),
    # Pseudo headers
    "two methods": reordered((b":method", b"POST")),
    "two paths": reordered((b":path", b"/")),
    "two schemes": reordered((b":scheme", b"http")),
    "two authorities": reordered((b":authority", b"nginx")),
    "unknown pseudo header": reordered((b":evil", b"b")),
    "extended CONNECT": get((b":protocol", b"websocket"), method=b"CONNECT"),
    # Lengths
    "length with a plus": post(b"hi", (b"content-length", b"+2")),
    "length twice": post(b"hi", (b"content-length", b"2"), (b"content-length", b"2")),
    "length without a body": post(None, (b"content-length", b"2")),
}
# Refused since nginx 1.31; those before drop them, for it writes its own (RFC 9113, section 8.2.2).
# nginx 1.30 takes it for the request it means, the site's page; 1.31 refuses it.
BEHIND = get((b"x-a", b"b"), (b":path", b"/"), path=LEFT_OUT)
CONNECTION_SPECIFIC: dict[str, Build] = {
    "connection": get((b"connection", b"close")),
    "connection and upgrade": get((b"connection", b"upgrade"), (b"upgrade", b"websocket")),
    "upgrade": get((b"upgrade", b"h2c")),
    "keep-alive": get((b"keep-alive", b"1")),
    "proxy-connection": get((b"proxy-connection", b"close")),
    "te": get((b"te", b"gzip")),
    "chunked": post(b"0\r\n\r\n", (b"transfer-encoding", b"chunked")),
    "chunked and length": post(b"0\r\n\r\n", (b"transfer-encoding", b"chunked"), (b"content-length", b"5")),
    "identity": post(b"hi", (b"transfer-encoding", b"identity")),
}
# Found out when the body comes. Where it waits at the edge (WSGI) nothing was sent on by then; where it passes through
# (ASGI) the head was: the application sees a body that breaks off, or none, and the client its 400.
LIES: dict[str, Build] = {
    "length shorter than the body": post(b"hi", (b"content-length", b"1")),
    "length longer than the body": post(b"hi", (b"content-length", b"9")),
    "length 0 and a body": post(b"hi", (b"content-length", b"0")),
}
