"""What an answer tells of its maker: that it is nginx."""

import re
from collections.abc import Iterator

import pytest

from tests import wire
from tests.config.edge import Answer, Outside, Running
from tests.contract import SERVICES
from tests.promises.security_headers.cases import RAW, Case
from tests.promises.security_headers.clients import PROTOCOLS, ask, asking, cases, listening, prepare  # noqa: F401

TELLING = ("x-powered-by", "via", "x-aspnet-version", "x-runtime", "x-generator", "x-version")
VERSION = re.compile(rb"(nginx|openresty|gunicorn|uvicorn|werkzeug|python|php|wsgi\w*|basehttp)/[0-9]", re.IGNORECASE)
HTML = (("Accept", "text/html"),)


def holds(edge_: Running) -> None:
    prepare(edge_)
    for protocol in PROTOCOLS:
        told = {f"{protocol}, {name}": said for name, said in told_over(edge_, protocol) if said}
        assert told == {}
    for name, (_, request) in RAW.items():
        assert telling(Answer(edge_.raw(request))) == [], name
    socket = Answer(
        wire.exchange(edge_.address, wire.request("GET /fastapi/ws/tunnel HTTP/1.1", "Upgrade: websocket"), 1)
    )
    assert (socket.status, telling(socket)) == (101, [])
    for path in ("/status", "/nothing", "/healthz"):
        assert (
            telling(Answer(wire.exchange(wire.address(edge_.settings.status), wire.request(f"GET {path} HTTP/1.1"))))
            == []
        )


def told_over(edge_: Running, protocol: str) -> Iterator[tuple[str, list[str]]]:
    with asking(edge_, protocol) as client:
        own = [("an application that likes to be known", Case(200, "/flask/own/headers"))]
        for name, case in [*cases(edge_), *own, ("a page", Case(404, "/nothing", headers=HTML))]:
            if case.status != 504:  # takes a second, and is made like a 502
                answer = ask(client, case)
                raw = b"\r\n".join(b": ".join(pair) for pair in answer.headers.raw) + b"\r\n\r\n" + answer.content
                yield name, telling(Answer(b"HTTP/1.1 200 OK\r\n" + raw))


def telling(answer: Answer) -> list[str]:
    """What should not be there."""
    server = [] if answer.headers.get("server") == "nginx" else [str(answer.headers.get("server"))]
    versions = [found[0].decode() for found in VERSION.finditer(answer.raw)]
    return server + versions + [name for name in TELLING if name in answer.headers]


MUTATIONS = [
    ("nginx.conf", "server_tokens off;", "server_tokens on;"),
    ("snippets/proxy.conf", "proxy_hide_header X-Powered-By;", ""),
    (
        "snippets/proxy.conf",
        "proxy_hide_header X-Powered-By;",
        "proxy_hide_header X-Powered-By; proxy_pass_header Server;",
    ),
]


def test_no_answer_tells_a_version(listening) -> None:  # noqa: F811
    with listening() as edge_:
        holds(edge_)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_no_answer_of_a_real_application_names_its_server(front: Outside, protocol: str) -> None:
    with asking(front, protocol) as client:
        answers = [client.get(f"/{name}{path}") for name in SERVICES for path in ("/json", "/no-such-path", "/healthz")]

    assert {answer.headers.get("server") for answer in answers} == {"nginx"}
    assert not [name for answer in answers for name in TELLING if name in answer.headers]
    assert not [answer for answer in answers if VERSION.search(answer.content)]


@pytest.mark.full
@pytest.mark.parametrize(("file", "good", "bad"), MUTATIONS)
def test_a_version_that_is_told_is_caught(listening, file: str, good: str, bad: str) -> None:  # noqa: F811
    with listening(file, good, bad) as edge_, pytest.raises(AssertionError):
        holds(edge_)
