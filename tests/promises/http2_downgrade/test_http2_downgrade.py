"""HTTP/2 that would be something else in HTTP/1: see promise.md."""

import json
import uuid

import pytest

from deploy.ports import free_port
from tests.config.edge import Outside, Running
from tests.contract import NAMES, WSGI
from tests.engine import Stack
from tests.promises.conftest import Mutated
from tests.promises.http2_downgrade import corpus, frames
from tests.stack.test_logs import entries
from tests.waiting import until

STUBS = ("flask", "fastapi")
UNANSWERED = {"no name": None, "authority of another": None}  # the connection or the stream ends without a word
REFUSED = dict.fromkeys([*corpus.REFUSED, *corpus.LIES], 400) | UNANSWERED
HOP_BY_HOP = {"connection", "upgrade", "keep-alive", "proxy-connection", "te", "transfer-encoding"}


def holds(front: Outside, services: tuple[str, ...] = STUBS) -> None:
    for service in services:
        path = f"/{service}/headers"
        assert ask(front, path, corpus.GOOD).status == 200
        found = {what: verdict(front, path, build) for what, build in (corpus.REFUSED | corpus.LIES).items()}
        assert found == REFUSED
        assert ask(front, path, corpus.BEHIND).status in {200, 400}
        for what, build in corpus.CONNECTION_SPECIFIC.items():
            reply = ask(front, path, build)
            assert reply.status in {400, 405} or not hop_by_hop(reply), (what, reply)
        assert_one_line(front, service)


def verdict(front: Outside, path: str, build: corpus.Build) -> int | str | None:
    """The status, if it is the edge's own, and the service answers the next request as ever."""
    reply, after = ask(front, path, build), ask(front, path, corpus.GOOD)
    assert after.status == 200 and "x-c" not in told(after), after
    return "passed on" if b"x-served-by" in (reply.headers or {}) else reply.status


def ask(front: Outside, path: str, build: corpus.Build) -> frames.Reply:
    assert front.tls, "needs an edge that speaks TLS"
    return frames.ask(front.tls, *build(path))


def told(reply: frames.Reply) -> dict[str, str]:
    """The headers the application got."""
    seen = json.loads(reply.body).get("headers", {})
    return {name.lower(): value for name, value in (seen.items() if isinstance(seen, dict) else seen)}


def hop_by_hop(reply: frames.Reply) -> set[str]:
    return HOP_BY_HOP & set(told(reply)) - {"transfer-encoding"}  # the edge's own, for a body that passes through


def assert_one_line(front: Outside, service: str) -> None:
    """A line end in the path, encoded, stays encoded."""
    reply = ask(front, f"/{service}/headers%20HTTP/1.1%0d%0aX-C:%20d%0d%0aX-Rest:%20", corpus.GOOD)

    assert reply.status in {200, 404}  # a stub answers at any path
    assert "x-c" not in told(reply)


@pytest.mark.parametrize("service", NAMES)
def test_http2_that_would_be_something_else_in_http1_is_refused(front: Outside, service: str) -> None:
    holds(front, (service,))


def test_it_reaches_no_application(front: Outside, stack: Stack) -> None:
    mark = uuid.uuid4().hex
    for service in NAMES:
        for build in (*corpus.REFUSED.values(), *(corpus.LIES.values() if service in WSGI else ())):
            ask(front, f"/{service}/messages?{mark}", build)
    ask(front, f"/flask/json?{mark}", corpus.GOOD)
    until(lambda: [line for line in entries(stack, mark) if line["uri"].startswith("/flask/json")])

    assert {line["uri"] for line in entries(stack, mark) if line["upstream_addr"]} == {f"/flask/json?{mark}"}


def before_stubs(edge_: Running) -> None:
    holds(edge_)
    seen = len(requests(edge_))
    for service in STUBS:
        for what, build in (corpus.REFUSED | corpus.LIES).items():
            if service in WSGI or what not in corpus.LIES:
                ask(edge_, f"/{service}/unseen", build)
    ask(edge_, "/flask/last", corpus.GOOD)
    assert requests(edge_)[seen:] == [("GET", "/last")]


def requests(edge_: Running) -> list[tuple[str, str]]:
    return sorted(each for stub in edge_.replicas.values() for each in stub.requests if each[1] in {"/unseen", "/last"})


def test_the_edge_before_stubs_keeps_it(mutated: Mutated) -> None:
    with mutated(listen_tls=(f"127.0.0.1:{free_port()}",)) as edge_:
        before_stubs(edge_)


MUTATIONS = [
    (
        "services/flask.conf",
        "proxy_pass http://flask/;",
        "rewrite ^/flask(/.*)$ $1 break; proxy_pass http://flask$uri;",
    ),
    ("services/flask.conf", "include snippets/wsgi.conf;", "include snippets/asgi.conf;"),
    ("snippets/error-pages.conf", "error_page 400 401", "error_page 400 =200 /flask/headers;\nerror_page 401"),
    ("templates/conf.d/https.conf.template", "    include snippets/unknown.conf;", "    return 200 hello;"),
]


@pytest.mark.full
@pytest.mark.parametrize(("file", "good", "bad"), MUTATIONS)
def test_an_edge_that_passes_it_on_is_caught(mutated: Mutated, file: str, good: str, bad: str) -> None:
    tls = (f"127.0.0.1:{free_port()}",)
    with mutated(file, good, bad, listen_tls=tls) as edge_, pytest.raises(AssertionError):
        before_stubs(edge_)
