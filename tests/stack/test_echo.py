"""/echo and /digest; the same in process and behind the edge."""

import hashlib
import os

import pytest

from tests.apps import App
from tests.contract import MIB, assert_error

TYPES = ("application/json", "text/plain; charset=utf-8", "application/x-www-form-urlencoded", "text/html",
         "multipart/form-data; boundary=x", "application/octet-stream", "image/png", "x/y; a=\"b\"")  # fmt: skip
BODIES = {"none": b"", "one": b"\x00", "text": "é\n".encode(), "form": b"a=1&b=%20", "binary": bytes(range(256)) * 300}


@pytest.mark.parametrize("content_type", TYPES)
def test_echo_gives_the_body_back_unchanged_with_its_type(app: App, content_type: str):
    for body in BODIES.values():
        answer = app.post("/echo", content=body, headers={"Content-Type": content_type})

        assert (answer.status_code, answer.content) == (200, body)
        assert answer.headers["content-type"] == content_type


def test_echo_does_not_undo_an_encoding(app: App):
    body = os.urandom(1000)

    answer = app.post("/echo", content=body, headers={"X-Encoding": "gzip", "Content-Type": "application/gzip"})

    assert answer.content == body


def test_echo_takes_one_mebibyte_and_not_a_byte_more(app: App):
    body = os.urandom(MIB)

    assert app.post("/echo", content=body).content == body
    assert_error(app.post("/echo", content=body + b"x"), 413)


@pytest.mark.parametrize("size", (0, 1, 65_536, 3 * MIB + 1))
def test_digest_counts_and_hashes_what_arrived(app: App, size: int):
    body = os.urandom(size)

    answer = app.post("/digest", content=body)

    assert answer.json() == {"bytes": size, "sha256": hashlib.sha256(body).hexdigest()}


def test_digest_hashes_forms_as_they_were_sent(app: App):
    for content_type in TYPES:
        answer = app.post("/digest", content=b"a=1&b=2", headers={"Content-Type": content_type})

        assert answer.json() == {"bytes": 7, "sha256": hashlib.sha256(b"a=1&b=2").hexdigest()}
