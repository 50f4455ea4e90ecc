"""What a client may send, rightly or wrongly, and what RFC 6455 wants to be said to it."""

from typing import NamedTuple

from tests.contract import MIB
from tests.promises.websocket_conformance.frames import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    Event,
    brief,
    frame,
)

PROTOCOL_ERROR, INVALID_DATA, TOO_BIG = 1002, 1007, 1009


class Case(NamedTuple):
    sent: bytes
    expected: list[Event]
    answers: int = 0  # (!) so many of them are waited for: who hears a close need not answer what came before it
    then: bytes = b""


def close(code: int, reason: bytes = b"") -> bytes:
    return frame(CLOSE, code.to_bytes(2, "big") + reason)


def answered(*parts: bytes, by: tuple[Event, ...]) -> Case:
    """All is well: the answers, then the close we ask for."""
    return Case(b"".join(parts), [*by, ("close", 1000)], len(by), then=close(1000))


def echoed(kind: int, payload: bytes, *parts: bytes) -> Case:
    """The payload comes back in one piece, however it was sent."""
    name = {TEXT: "text", BINARY: "binary"}[kind]
    return answered(*(parts or (frame(kind, payload),)), by=((name, brief(payload)),))


def fails(code: int, *parts: bytes) -> Case:
    return Case(b"".join(parts), [("close", code)])


def too_big(*parts: bytes) -> Case:
    """(!) The application closes, and waits for the client to do so too."""
    return Case(b"".join(parts), [("close", TOO_BIG)], 1, then=close(TOO_BIG))


def closed(code: int | None, sent: bytes) -> Case:
    return Case(sent, [("close", code)])


def fragments(kind: int, *payloads: bytes) -> list[bytes]:
    kinds, last = [kind, *[CONTINUATION] * len(payloads)], len(payloads) - 1
    return [frame(kinds[n], payload, fin=int(n == last)) for n, payload in enumerate(payloads)]


def split(kind: int, *payloads: bytes) -> Case:
    return echoed(kind, b"".join(payloads), *fragments(kind, *payloads))


def between(control: bytes, *by: Event) -> Case:
    first, *rest = fragments(TEXT, b"one, ", b"two, ", b"three")
    return answered(first, control, *rest, by=(*by, ("text", b"one, two, three")))


FRAGMENTS = {
    "text in one frame": echoed(TEXT, b"hello"),
    "empty text": echoed(TEXT, b""),
    "text in three fragments": split(TEXT, b"one, ", b"two, ", b"three"),
    "bytes in two fragments": split(BINARY, b"\x00\xff", b"\xfe"),
    "fragments that are empty": split(TEXT, b"", b"", b"end", b""),
    "a hundred fragments": split(TEXT, *[b"x"] * 100),
    "two fragmented messages": answered(
        *fragments(TEXT, b"a", b"b"), *fragments(BINARY, b"c", b"d"), by=(("text", b"ab"), ("binary", b"cd"))
    ),
    "a continuation of nothing": fails(PROTOCOL_ERROR, frame(CONTINUATION, b"x")),
    "a continuation of nothing, to be continued": fails(PROTOCOL_ERROR, frame(CONTINUATION, b"x", fin=0)),
    "a continuation after the end": fails(PROTOCOL_ERROR, frame(TEXT, b"a", fin=0), frame(CONTINUATION, b"b", fin=0),
                                          frame(TEXT, b"c")),
    "a new message within a message": fails(PROTOCOL_ERROR, frame(TEXT, b"a", fin=0), frame(BINARY, b"b")),
}  # fmt: skip

CONTROL = {
    "an empty ping": answered(frame(PING), by=(("pong", b""),)),
    "a ping with words": answered(frame(PING, b"there?"), by=(("pong", b"there?"),)),
    "a ping of bytes that are no text": answered(frame(PING, b"\xff\x00"), by=(("pong", b"\xff\x00"),)),
    "the longest ping": answered(frame(PING, b"x" * 125), by=(("pong", b"x" * 125),)),
    "a ping that is too long": fails(PROTOCOL_ERROR, frame(PING, b"x" * 126)),
    "a pong that is too long": fails(PROTOCOL_ERROR, frame(PONG, b"x" * 126)),
    "a ping in fragments": fails(PROTOCOL_ERROR, frame(PING, b"x", fin=0), frame(CONTINUATION, b"y")),
    "a pong nobody asked for": echoed(TEXT, b"hello", frame(PONG, b"hm"), frame(TEXT, b"hello")),
    "pings in a row": answered(*[frame(PING, bytes([n])) for n in range(10)],
                               by=tuple(("pong", bytes([n])) for n in range(10))),
    "a ping between fragments": between(frame(PING, b"still?"), ("pong", b"still?")),
    "a pong between fragments": between(frame(PONG, b"still")),
    "a close between fragments": fails(PROTOCOL_ERROR, frame(TEXT, b"a", fin=0), close(1000)),  # a message broken off
}  # fmt: skip

VALID = {
    "Greek": "κόσμε".encode(),
    "four bytes": "\U0001f600".encode(),
    "the last character": "\U0010ffff".encode(),
    "no character": b"\xef\xbf\xbf",
    "U+0000": b"a\x00b",
    "a byte order mark": b"\xef\xbb\xbfa",
    "either side of the surrogates": b"\xed\x9f\xbf\xee\x80\x80",
}
INVALID = {
    "a byte that never occurs": b"\xff",
    "a lone continuation byte": b"\x80",
    "too long for U+0000": b"\xc0\x80",
    "too long for a slash": b"\xe0\x80\xaf",
    "too long by two": b"\xf0\x80\x80\xaf",
    "half of a surrogate pair": b"\xed\xa0\x80",
    "both surrogates": b"\xed\xa0\xbd\xed\xb8\x80",
    "past the last character": b"\xf4\x90\x80\x80",
    "a character cut short": b"ab\xe2\x82",
    "a good beginning": "κόσμε".encode() + b"\xed\xa0\x80edited",
}
UTF_8 = {
    **{f"text: {name}": echoed(TEXT, text) for name, text in VALID.items()},
    **{f"text within characters: {name}": split(TEXT, *(bytes([b]) for b in text)) for name, text in VALID.items()},
    **{f"no text: {name}": fails(INVALID_DATA, frame(TEXT, text)) for name, text in INVALID.items()},
    **{f"no text, split: {name}": fails(INVALID_DATA, *fragments(TEXT, b"ok", text)) for name, text in INVALID.items()},
    **{f"bytes: {name}": echoed(BINARY, text) for name, text in INVALID.items()},
}

RESERVED = {
    **{f"reserved bits {bits:03b}": fails(PROTOCOL_ERROR, frame(TEXT, b"x", reserved=bits)) for bits in range(1, 8)},
    "a reserved bit in a ping": fails(PROTOCOL_ERROR, frame(PING, b"x", reserved=4)),
    "a reserved bit in a close": fails(PROTOCOL_ERROR, frame(CLOSE, b"\x03\xe8", reserved=1)),
    **{f"opcode {code}": fails(PROTOCOL_ERROR, frame(code, b"x")) for code in (*range(3, 8), *range(11, 16))},
}

GOOD_CODES = (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999)
BAD_CODES = (0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535)
CLOSES = {
    "a close without a code": closed(None, frame(CLOSE)),
    "a close of one byte": fails(PROTOCOL_ERROR, frame(CLOSE, b"\x03")),
    "a close with a reason": closed(1000, close(1000, "tschüß".encode())),
    "the longest reason": closed(1000, close(1000, b"x" * 123)),
    "a reason that is too long": fails(PROTOCOL_ERROR, close(1000, b"x" * 124)),
    "a reason that is no text": fails(INVALID_DATA, close(1000, b"\xed\xa0\x80")),
    "a close in fragments": fails(PROTOCOL_ERROR, frame(CLOSE, b"\x03\xe8", fin=0)),
    "words after the close": closed(1000, close(1000) + frame(TEXT, b"too late")),
    **{f"close code {code}": closed(code, close(code)) for code in GOOD_CODES},
    **{f"no close code: {code}": fails(PROTOCOL_ERROR, close(code)) for code in BAD_CODES},
}

SIZES = {
    **{f"{size} bytes": echoed(BINARY, b"x" * size) for size in (125, 126, 127, 128, 65535, 65536, 65537, MIB)},
    "1 MiB in fragments": split(TEXT, *[b"x" * (MIB // 16)] * 16),
    "1 MiB and a byte": too_big(frame(BINARY, b"x" * (MIB + 1))),
    "1 MiB and a byte of text": too_big(frame(TEXT, b"x" * (MIB + 1))),
    "1 MiB and a byte in fragments": too_big(*fragments(BINARY, b"x" * MIB, b"x")),
    "two bytes a character, 1 MiB and two": too_big(frame(TEXT, "é".encode() * (MIB // 2 + 1))),
}

MASKS = {
    "a mask of zeros": echoed(TEXT, b"hello", frame(TEXT, b"hello", key=bytes(4))),
    "text that is not masked": fails(PROTOCOL_ERROR, frame(TEXT, b"hello", key=None)),
    "a ping that is not masked": fails(PROTOCOL_ERROR, frame(PING, key=None)),
    "a close that is not masked": fails(PROTOCOL_ERROR, frame(CLOSE, b"\x03\xe8", key=None)),
}

CASES: dict[str, Case] = FRAGMENTS | CONTROL | UTF_8 | RESERVED | CLOSES | SIZES | MASKS
