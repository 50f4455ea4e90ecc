"""Requests that two parsers may read in two ways. Each is otherwise a good POST that would be answered 2xx.

A name says what is wrong. Sources: RFC 9112, the corpora of http-garden and smuggler, gunicorn's own invalid requests.
"""

from collections.abc import Callable

# What a client may claim of itself in headers that servers, frameworks and proxies are known to read.
FORGED = {
    "X-Forwarded-For": "203.0.113.66",
    "X-Forwarded-Host": "evil.example",
    "X-Forwarded-Port": "666",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Prefix": "/evil",
    "X-Forwarded-Ssl": "on",
    "X-Forwarded-Protocol": "ssl",
    "X-Request-ID": "e" * 32,
    "X-Real-IP": "203.0.113.66",
    "Forwarded": "for=203.0.113.66;host=evil.example;proto=https",
    "Proxy": "http://evil.example",
    "X_Forwarded_For": "203.0.113.66",
    "X_Forwarded_Host": "evil.example",
    "X-Script-Name": "/evil",
    "Script-Name": "/evil",
    "X-Forwarded-Server": "evil.example",
}

Request = Callable[[str, bytes], bytes]  # (path, body) -> bytes on the wire


POST = "POST {path} HTTP/1.1"


def lines(*given: str, line: str = POST, end: str = "\r\n", last: str = "", tail: bytes | None = None) -> Request:
    """A request with the given header lines; {length} is the body's; the body follows unless `tail` replaces it."""

    def build(path: str, body: bytes) -> bytes:
        head = [line, "Host: localhost", "Connection: close", *given]
        text = end.join(head) + end + (last or end)
        text = text.replace("{path}", path).replace("{length}", str(len(body)))
        return text.encode("latin-1") + (body if tail is None else tail)

    return build


def chunked(*given: str, size: str = "{size}", after: bytes = b"\r\n", end: bytes = b"0\r\n\r\n") -> Request:
    """A chunked request whose one chunk holds the body."""

    def build(path: str, body: bytes) -> bytes:
        head = lines("Transfer-Encoding: chunked", *given, tail=b"")(path, body)
        return head + size.replace("{size}", f"{len(body):x}").encode("latin-1") + b"\r\n" + body + after + end

    return build


def then_chunked(*given: str, **options: str) -> Request:
    """Header lines of our own, and a body in chunks."""

    def build(path: str, body: bytes) -> bytes:
        return lines(*given, tail=b"", **options)(path, body) + b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)

    return build


LENGTH = "Content-Length: {length}"
CHUNKED = "Transfer-Encoding: chunked"

CORPUS: dict[str, Request] = {
    # Ends of lines
    "bare LF after every line": lines(LENGTH, end="\n"),
    "bare LF after one header": lines("X-A: b\nX-C: d", LENGTH),
    "bare LF before Content-Length": lines("X-A: b\n" + LENGTH),
    "bare LF at the end of the head": lines(LENGTH, last="\n"),
    "bare CR in a value": lines("X-A: b\rX-C: d", LENGTH),
    "bare CR between headers": lines("X-A: b\r" + LENGTH),
    "folded header": lines("X-A: b\r\n c", LENGTH),
    "folded with a tab": lines("X-A: b\r\n\tc", LENGTH),
    "folded length": lines("Content-Length:\r\n {length}"),
    "folded transfer encoding": then_chunked("Transfer-Encoding:\r\n chunked"),
    "first header folded": lines(" X-A: b", LENGTH, line="POST {path} HTTP/1.1"),
    # Names and values
    "space before the colon": lines("X-A : b", LENGTH),
    "space before the colon of the length": lines("Content-Length : {length}"),
    "tab before the colon of the encoding": then_chunked("Transfer-Encoding\t: chunked"),
    "no colon": lines("X-A", LENGTH),
    "no name": lines(": b", LENGTH),
    "space in the name": lines("X A: b", LENGTH),
    "NUL in a name": lines("X\0A: b", LENGTH),
    "NUL in a value": lines("X-A: b\0c", LENGTH),
    "control character in a value": lines("X-A: b\x01c", LENGTH),
    "DEL in a value": lines("X-A: b\x7fc", LENGTH),
    "NUL in the path": lines(LENGTH, line="POST {path}?\0 HTTP/1.1"),
    # Lengths
    "length twice, equal": lines(LENGTH, LENGTH),
    "length twice, different": lines(LENGTH, "Content-Length: 0"),
    "length as a list": lines("Content-Length: {length}, {length}"),
    "length with a plus": lines("Content-Length: +{length}"),
    "length with a minus": lines("Content-Length: -1"),
    "length with an underscore": lines("Content-Length: 1_0"),
    "length in hex": lines("Content-Length: 0x10"),
    "length with a fraction": lines("Content-Length: {length}.0"),
    "length with a letter": lines("Content-Length: {length}a"),
    "length empty": lines("Content-Length:"),
    "length in Arabic digits": lines("Content-Length: \xd9\xa3"),
    "length past 64 bits": lines("Content-Length: 18446744073709551617"),
    # Encodings
    "length and chunked": chunked(LENGTH),
    "chunked and length": then_chunked(LENGTH, CHUNKED),
    "length 0 and chunked": then_chunked("Content-Length: 0", CHUNKED),
    "chunked twice": chunked(CHUNKED),
    "chunked, chunked": then_chunked("Transfer-Encoding: chunked, chunked"),
    "chunked, identity": then_chunked("Transfer-Encoding: chunked, identity"),
    "identity": lines("Transfer-Encoding: identity", LENGTH),
    "gzip, chunked": then_chunked("Transfer-Encoding: gzip, chunked"),
    "xchunked": then_chunked("Transfer-Encoding: xchunked"),
    "chunked in quotes": then_chunked('Transfer-Encoding: "chunked"'),
    "chunked with a parameter": then_chunked("Transfer-Encoding: chunked;a=b"),
    "chunked behind a vertical tab": then_chunked("Transfer-Encoding: \x0bchunked"),
    "NUL behind chunked": then_chunked("Transfer-Encoding: chunked\0"),
    "encodings in two lines": then_chunked("Transfer-Encoding: identity", CHUNKED),
    "chunked in HTTP/1.0": then_chunked(CHUNKED, line="POST {path} HTTP/1.0"),
    "encoding empty": lines("Transfer-Encoding:", LENGTH),
    # Chunks
    "chunk size with a plus": chunked(size="+{size}"),
    "chunk size with a minus": chunked(size="-{size}"),
    "chunk size as 0x": chunked(size="0x{size}"),
    "chunk size with an underscore": chunked(size="0_{size}"),
    "chunk size with a space in front": chunked(size=" {size}"),
    "chunk size with NUL behind": chunked(size="{size}\0"),
    "chunk size empty": chunked(size=""),
    "chunk size past 64 bits": chunked(size="1" + "0" * 16 + "{size}"),
    "chunk size ended by LF": chunked(size="{size}\n"),
    "chunk extension with LF": chunked(size="{size};a\nb"),
    "chunk without its end": chunked(after=b""),
    "chunk ended by LF": chunked(after=b"\n"),
    "chunk longer than its size": chunked(after=b"xx\r\n"),
    "last chunk ended by LF": chunked(end=b"0\n\n"),
    # Request lines and hosts
    "space in the path": lines(LENGTH, line="POST {path}? HTTP/1.1 HTTP/1.1"),
    "no version": lines(LENGTH, line="POST {path}"),
    "version 2.0": lines(LENGTH, line="POST {path} HTTP/2.0"),
    "version 1.10": lines(LENGTH, line="POST {path} HTTP/1.10"),
    "version in lower case": lines(LENGTH, line="POST {path} http/1.1"),
    "tab in the request line": lines(LENGTH, line="POST\t{path} HTTP/1.1"),
    "text behind the version": lines(LENGTH, line="POST {path} HTTP/1.1 x"),
    "method with a colon": lines(LENGTH, line="PO:ST {path} HTTP/1.1"),
    "host twice": lines("Host: localhost", LENGTH),
    "host twice, different": lines("Host: evil.example", LENGTH),
}
