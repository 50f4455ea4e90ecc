"""Requests that two parsers could read differently: see promise.md."""

import json
import uuid

import pytest

from tests import wire
from tests.config.edge import Answer, Outside, Running
from tests.contract import NAMES, PHRASES, assert_shape
from tests.corpus import CORPUS
from tests.engine import Stack
from tests.promises.conftest import Mutated
from tests.promises.smuggling.expected import HTTP_0_9, LEFT_TO_THE_SERVER, REFUSED, TOLERATED
from tests.stack.test_logs import entries
from tests.waiting import until

STUBS = ("flask", "fastapi")
AUTHOR = f"smuggler {uuid.uuid4()}"


def holds(front: Outside, services: tuple[str, ...] = STUBS) -> None:
    for service in services:
        assert {what: refusal(front, service, what) for what in REFUSED} == REFUSED
        assert_framed_once(front, service)
        assert_one_line(front, service)


def refusal(front: Outside, service: str, what: str) -> int | str:
    """The status, if it is one answer of the edge's own, and the service answers the next request as ever.

    What stands behind it on the same connection is no request any more: nobody knows where it would begin.
    """
    kept = CORPUS[what](f"/{service}/messages", body(what)).replace(b"Connection: close", b"Connection: keep-alive")
    received = front.raw(kept + wire.request(f"GET /{service}/behind HTTP/1.1"))
    answers = wire.statuses(received)
    if b"x-served-by" in received.lower() or len(answers) > 1:
        return f"passed on: {answers}"
    mark = uuid.uuid4().hex
    after = front.ask(f"/{service}/headers?{mark}", "X-Mark: " + mark)
    assert (after.status, after.count("X-Request-ID")) == (200, 1) and mark.encode() in after.body, after.raw
    return answers[0] if answers else HTTP_0_9


def assert_framed_once(front: Outside, service: str) -> None:
    """A good body arrives whole, whichever way its end was told."""
    chunks = b"5\r\nhello\r\n1;extension=1\r\n!\r\n0\r\nContent-Length: 1\r\n\r\n"
    lines = ("Transfer-Encoding: chunked", "Content-Type: text/plain")
    for request in (
        wire.request(f"POST /{service}/digest HTTP/1.1", *lines, body=chunks),
        wire.request(f"POST /{service}/digest HTTP/1.1", "Content-Length: 6", body=b"hello!"),
    ):
        answer = Answer(front.raw(request))
        assert (answer.status, answer.json.get("bytes")) == (200, 6), answer.raw
        assert not {"content-length", "transfer-encoding"} <= framing(answer)


def framing(answer: Answer) -> set[str]:
    """What a stub was told of the body's end; an application itself does not repeat it."""
    return set(answer.seen) if "headers" in answer.json else set()


def assert_one_line(front: Outside, service: str) -> None:
    """A line end in the path, encoded, never becomes one on the way to the application."""
    answer = front.ask(f"/{service}/headers%20HTTP/1.1%0d%0aX-Smuggled:%20yes%0d%0aX-Rest:%20")

    assert answer.status == 404 or "x-smuggled" not in answer.seen
    assert answer.status in {200, 404}  # a stub answers at any path


def body(text: str) -> bytes:
    return json.dumps({"author": AUTHOR, "text": text}).encode()


@pytest.mark.parametrize("service", NAMES)
def test_an_ambiguous_request_is_refused_by_the_edge(front: Outside, service: str) -> None:
    holds(front, (service,))


def test_it_reaches_no_application(front: Outside, stack: Stack) -> None:
    mark = uuid.uuid4().hex
    for service in NAMES:
        for what in REFUSED:
            front.raw(CORPUS[what](f"/{service}/messages?{mark}", body(what)))
    good = front.ask(f"/flask/json?{mark}").headers["x-request-id"]
    until(lambda: entries(stack, good))

    assert [line["request_id"] for line in entries(stack, mark) if line["upstream_addr"]] == [good]


def test_none_of_them_was_carried_out(front: Outside) -> None:
    for service in NAMES:
        assert front.ask(f"/{service}/messages", method="POST", body=body(f"good, by {service}")).status == 201
    stored, last = [], 0
    while page := front.ask(f"/flask/messages?after={last}&limit=500").json["messages"]:
        stored += [row["text"] for row in page if row["author"] == AUTHOR]
        last = page[-1]["id"]

    assert stored == [f"good, by {name}" for name in NAMES]


@pytest.mark.parametrize("service", NAMES)
def test_its_refusal_has_the_shape_of_every_error(front: Outside, service: str) -> None:
    for what, status in REFUSED.items():
        answer = Answer(front.raw(CORPUS[what](f"/{service}/messages", body(what))))
        fields = json.loads(answer.raw) if status == HTTP_0_9 else answer.json
        assert_shape(fields, status or next(code for code, word in PHRASES.items() if word == fields["error"]))


@pytest.mark.parametrize("service", NAMES)
def test_what_the_edge_leaves_to_the_server_is_refused_there(front: Outside, service: str) -> None:
    for what in LEFT_TO_THE_SERVER:
        answer = Answer(front.raw(CORPUS[what](f"/{service}/messages", body(what))))

        assert (what, answer.status) == (what, 400)
        assert "x-served-by" not in answer.headers
        assert answer.headers.get("content-type") != "application/json", "refused by the edge: take it off the table"


@pytest.mark.parametrize("service", NAMES)
def test_what_the_edge_takes_is_one_request_in_its_regular_form(front: Outside, service: str) -> None:
    for what in TOLERATED:
        answer = Answer(front.raw(CORPUS[what](f"/{service}/headers", b"").replace(b"POST", b"GET", 1)))

        assert wire.statuses(answer.raw) == [200], what
        assert b"\\n" not in answer.body, what


@pytest.mark.parametrize("service", NAMES)
def test_a_second_request_hidden_in_a_body_is_not_answered(front: Outside, service: str) -> None:
    hidden = wire.request(f"GET /{service}/hidden HTTP/1.1")
    answer = front.ask(f"/{service}/echo", "Content-Type: text/plain", method="POST", body=hidden)

    assert (answer.status, answer.body) == (200, hidden)


def test_no_stub_is_even_asked(stubbed: Running) -> None:
    stubs = list(stubbed.replicas.values())
    for service in STUBS:
        before = sum(len(stub.requests) for stub in stubs)
        for what in REFUSED:
            stubbed.raw(CORPUS[what](f"/{service}/messages", body(what)))

        assert sum(len(stub.requests) for stub in stubs) == before


MUTATIONS = [
    # Passed on decoded, a line end in the path becomes the end of the request line.
    (
        "services/flask.conf",
        "proxy_pass http://flask/;",
        "rewrite ^/flask(/.*)$ $1 break; proxy_pass http://flask$uri;",
    ),
    # Two ends for one body.
    (
        "snippets/proxy.conf",
        "proxy_set_header Proxy             ",
        "proxy_set_header Transfer-Encoding $http_transfer_encoding;\nproxy_set_header Proxy ",
    ),
    # An error page of a location turns a refusal into something else, or hands it to an application.
    ("snippets/error-pages.conf", "error_page 400 401", "error_page 400 =200 /flask/headers;\nerror_page 401"),
]


def test_the_edge_before_stubs_keeps_it(stubbed: Running) -> None:
    holds(stubbed)


@pytest.mark.full
@pytest.mark.parametrize(("file", "good", "bad"), MUTATIONS)
def test_an_edge_that_lets_them_through_is_caught(mutated: Mutated, file: str, good: str, bad: str) -> None:
    with mutated(file, good, bad) as edge_, pytest.raises(AssertionError):
        holds(edge_)
