"""Requests that two parsers could read differently never reach an application."""

import json
import uuid

import pytest

from tests import wire
from tests.apps import App
from tests.contract import PHRASES, assert_shape
from tests.corpus import CORPUS
from tests.engine import Stack

REFUSED = {400, 501, 505}
AUTHOR = f"smuggler {uuid.uuid4()}"


def body(text: str) -> bytes:
    return json.dumps({"author": AUTHOR, "text": text}).encode()


# What nginx takes: it reads each in one way only and sends it on in its regular form.
TOLERATED = {
    "bare LF after every line",  # RFC 9112, section 2.2 lets a recipient end a line at LF
    "bare LF after one header",
    "bare LF before Content-Length",
    "bare LF at the end of the head",
    "no colon",  # a header with an empty value
    "version 1.10",  # sent on as 1.1
}
# What nginx passes on as it is, having no check for it: the server behind refuses it, in words of its own.
LEFT_TO_THE_SERVER = {"DEL in a value", "control character in a value"}


@pytest.mark.parametrize("what", sorted(set(CORPUS) - TOLERATED - LEFT_TO_THE_SERVER))
def test_an_ambiguous_request_is_refused_by_the_edge(app: App, stack: Stack, what: str):
    answer = wire.exchange(stack.address, CORPUS[what](f"/{app.name}/messages", body(what)))
    fields = json.loads(answer.rpartition(b"\r\n\r\n")[2])

    assert wire.statuses(answer)[:1] == ([] if what == "no version" else [status_of(fields)])  # HTTP/0.9 has no head
    assert len(wire.statuses(answer)) <= 1
    assert b"x-served-by" not in answer.lower()


@pytest.mark.parametrize("what", sorted(LEFT_TO_THE_SERVER))
def test_what_the_edge_leaves_to_the_server_is_refused_there(app: App, stack: Stack, what: str):
    answer = wire.exchange(stack.address, CORPUS[what](f"/{app.name}/messages", body(what)))

    assert wire.statuses(answer) == [400]
    assert b"x-served-by" not in answer.lower()


def status_of(fields: dict) -> int:
    """The status that an answer's own word stands for, one of those that refuse."""
    (status,) = (code for code in REFUSED if PHRASES[code] == fields["error"])
    assert_shape(fields, status)
    return status


@pytest.mark.parametrize("what", sorted(TOLERATED))
def test_what_the_edge_takes_is_one_request_in_its_regular_form(app: App, stack: Stack, what: str):
    request = CORPUS[what](f"/{app.name}/headers", b"").replace(b"POST", b"GET", 1)
    answer = wire.exchange(stack.address, request)

    assert wire.statuses(answer) == [200]
    assert b"\\n" not in answer.rpartition(b"\r\n\r\n")[2]


def test_the_good_request_they_are_made_of_is_answered(app: App, stack: Stack):
    text = f"good, by {app.name}"
    length = len(body(text))
    request = wire.request(f"POST /{app.name}/messages HTTP/1.1", f"Content-Length: {length}", body=body(text))

    assert wire.statuses(wire.exchange(stack.address, request)) == [201]


def test_none_of_them_was_carried_out(apps: dict[str, App]):
    stored, last = [], 0
    while page := apps["flask"].messages(last):
        stored += [row["text"] for row in page if row["author"] == AUTHOR]
        last = page[-1]["id"]

    assert not set(stored) & set(CORPUS)
    assert {f"good, by {name}" for name in apps} <= set(stored)


def test_a_second_request_hidden_in_a_body_is_not_answered(app: App, stack: Stack):
    hidden = f"GET /{app.name}/hidden HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
    line = f"POST /{app.name}/echo HTTP/1.1"
    request = wire.request(line, "Content-Type: text/plain", f"Content-Length: {len(hidden)}", body=hidden)

    answer = wire.exchange(stack.address, request)

    assert wire.statuses(answer.partition(b"\r\n\r\n")[0]) == [200]
    assert answer.partition(b"\r\n\r\n")[2] == hidden


def test_nothing_but_a_websocket_is_upgraded(app: App, stack: Stack):
    for upgrade in ("h2c", "TLS/1.0", "websocket, h2c", "foo"):
        lines = (f"Upgrade: {upgrade}", "HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA")
        request = wire.request(f"GET /{app.name}/headers HTTP/1.1", *lines)
        request = request.replace(b": close", b": Upgrade, HTTP2-Settings")
        with wire.connection(stack.address) as sock:
            sock.sendall(request)
            head = wire.read_until(sock, b"\r\n\r\n")

        assert wire.statuses(head) == [200]
        assert b"101" not in head.split(b"\r\n")[0]
