"""Names that are not ours, over HTTP and over TLS: see promise.md."""

import ssl

import pytest

from tests import tls
from tests.config.edge import Answer, Outside
from tests.promises.conftest import Mutated
from tests.wire import request, statuses

EVIL = "evil.example"
GET = "GET / HTTP/1.1"
CLOSED = {
    "a foreign Host": request(GET, host=EVIL),
    "a foreign Host with our port": request(GET, host=f"{EVIL}:8080"),
    "an address of ours with a name behind it": request(GET, host=f"127.0.0.1.{EVIL}"),
    "a foreign absolute URI": request(f"GET http://{EVIL}/ HTTP/1.1"),
    "HTTP/1.0 without Host": b"GET / HTTP/1.0\r\n\r\n",
    "a POST": request("POST / HTTP/1.1", "Content-Length: 2", body=b"hi", host=EVIL),
    "TRACE": request("TRACE / HTTP/1.1", host=EVIL),
    "an error page": request("GET /error.json HTTP/1.1", host=EVIL),
}
REFUSED = {
    "an empty Host": request(GET, host=""),
    "no Host": b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n",
    "two Hosts": request(GET, f"Host: {EVIL}"),
    "twice the same Host": request(GET, "Host: localhost"),
}


def holds(front: Outside) -> None:
    for name, bytes_ in CLOSED.items():
        assert front.raw(bytes_) == b"", name
        assert tls.exchange(front.tls, bytes_) == b"", f"{name}, over TLS"
    for name, bytes_ in REFUSED.items():
        assert statuses(front.raw(bytes_)) == [400], name
        assert statuses(tls.exchange(front.tls, bytes_)) == [400], f"{name}, over TLS"
    handshakes_hold(front)
    monitors_are_answered(front)
    applications_see_the_name_that_was_judged(front)


def handshakes_hold(front: Outside) -> None:
    assert refusal(front, EVIL) == "TLSV1_UNRECOGNIZED_NAME"
    assert tls.served(front.tls, name=None) == tls.served(front.tls, "localhost") == tls.served(front.tls, "LOCALHOST")
    assert tls.ask(front, "/", name=None).status == 200
    assert tls.ask(front, "/", name=None, host=EVIL).raw == b""
    assert (tls.h2_status(front, "/"), tls.h2_status(front, "/", host=EVIL)) == (200, None)


def refusal(front: Outside, name: str) -> str:
    try:
        return f"answered with {tls.served(front.tls, name)!r}"
    except ssl.SSLError as error:
        return error.reason


def monitors_are_answered(front: Outside) -> None:
    over_tls = tls.ask(front, "/healthz", host=EVIL, name=None)

    assert (over_tls.status, over_tls.body) == (200, b"ok")
    assert (front.ask("/healthz", host=EVIL).status, tls.h2_status(front, "/healthz", host=EVIL)) == (200, 200)


def applications_see_the_name_that_was_judged(front: Outside) -> None:
    answer = Answer(front.raw(request("GET http://localhost/flask/headers HTTP/1.1", host=EVIL)))

    assert answer.status == 200
    assert EVIL.encode() not in answer.body


def test_names_that_are_not_ours_are_closed_unanswered(front: Outside) -> None:
    holds(front)


MUTATIONS = [
    ("templates/conf.d/unknown.conf.template", "${PONTE_LISTEN_UNKNOWN}", "${PONTE_LISTEN}"),
    (
        "templates/conf.d/https.conf.template",
        "ssl_reject_handshake on;",
        'ssl_certificate "${PONTE_CREDENTIALS}/certificate.pem"; ssl_certificate_key "${PONTE_CREDENTIALS}/key.pem";',
    ),
    ("templates/conf.d/https.conf.template", 'server_name "" ~.;', "server_name nobody.invalid;"),
    ("templates/conf.d/https.conf.template", 'server_name "" ~.;', "server_name ~.;"),
    ("snippets/unknown.conf", "return 444;", 'return 200 "who?";'),
    ("snippets/unknown.conf", "include snippets/health.conf;", ""),
    ("snippets/proxy.conf", "$host;", "$http_host;"),
]


@pytest.mark.full
@pytest.mark.parametrize(("file", "good", "bad"), MUTATIONS)
def test_an_edge_that_answers_them_is_caught(mutated: Mutated, file: str, good: str, bad: str) -> None:
    with mutated(file, good, bad, listen_tls=tls.port()) as edge_, pytest.raises(AssertionError):
        holds(edge_)


def test_the_edge_before_stubs_holds_too(mutated: Mutated) -> None:
    with mutated(listen_tls=tls.port()) as edge_:
        holds(edge_)
