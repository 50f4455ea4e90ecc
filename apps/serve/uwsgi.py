"""`serve.uwsgi:app`: the application of SERVICE under uWSGI, which reads chunked bodies only when it is asked for them."""

import contextlib
import io
import os
from collections.abc import Iterable, Iterator
from pkgutil import resolve_name
from typing import Any

import uwsgi  # there inside of the server only
from core.settings import Settings

BLOCK, DRAIN_BYTES = 64 * 1024, 16 * 1024 * 1024
inner = resolve_name(Settings.from_env(os.environ, os.environ["SERVICE"]).about.app)


class Chunks(io.RawIOBase):
    """What is left of a chunk comes before the next one; an empty one is the last."""

    left, ended = b"", False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self.left and not self.ended:
            self.left = uwsgi.chunked_read()
            self.ended = not self.left
        size = min(len(buffer), len(self.left))
        buffer[:size], self.left = self.left[:size], self.left[size:]
        return size


class Answer:
    """Reads what the application left of the body: uWSGI closes then, and the proxy would see a reset, not the answer."""

    def __init__(self, answer: Iterable[bytes], body: Any) -> None:
        self.answer, self.body = answer, body

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.answer)

    def close(self) -> None:
        getattr(self.answer, "close", lambda: None)()
        left = DRAIN_BYTES
        with contextlib.suppress(OSError):  # the client has left
            while left > 0 and (block := self.body.read(BLOCK)):
                left -= len(block)


def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    if environ.get("HTTP_TRANSFER_ENCODING", "").lower() == "chunked":
        environ |= {"wsgi.input": io.BufferedReader(Chunks()), "wsgi.input_terminated": True}
    return Answer(inner(environ, start_response), environ["wsgi.input"])
