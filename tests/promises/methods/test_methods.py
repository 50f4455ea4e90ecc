"""Words a request may begin with: see promise.md."""

import pytest

from tests import wire
from tests.config.edge import Answer, Outside, Running
from tests.contract import NAMES, ROUTES
from tests.promises.conftest import Mutated

STUBS = ("flask", "fastapi")
PLACES = ("/", "/site.css", "/static/", "/nothing", "/flask", "/flask/json", "/fastapi/json", "/healthz")
# The edge's own refusals, wherever they are asked for: they name no methods, for they know no route.
REFUSED = {
    "TRACE": 405,
    "get": 400,  # methods are case-sensitive (RFC 9110, section 9.1) and a token of nginx's has no small letter
    "Get": 400,
    "G\tT": 400,
    "GET:": 400,
    "G(T": 400,
    "G\xc9T": 400,
}
# Words that reach an application only as a method which every server behind can read.
STRANGE = ("X", "BREW", "PURGE", "QUERY", "M-SEARCH", "X_Y", "PRI", "PROPFIND", "A" * 40)


def holds(front: Outside) -> None:
    for path in PLACES:
        for method, status in REFUSED.items():
            answer = Answer(front.raw(wire.request(f"{method} {path} HTTP/1.1", "X-Echo: confidential")))
            assert (path, method, answer.status, answer.count("Allow")) == (path, method, status, 0)
            assert b"confidential" not in answer.raw, "TRACE repeats what a script may not read"
    assert Answer(front.raw(wire.request("CONNECT localhost:22 HTTP/1.1"))).status == 405
    assert front.ask("/flask/json", method="CONNECT").status in {400, 405}  # 1.31 knows that its target is no path
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        assert_only_read(front, "/site.css", method)


def assert_only_read(front: Outside, path: str, method: str) -> None:
    answer = front.ask(path, method=method)

    assert (answer.status, answer.headers.get("allow")) == (405, "GET, HEAD")


def test_the_edge_refuses_what_is_no_method_of_anybodys(front: Outside) -> None:
    holds(front)


@pytest.mark.parametrize("service", NAMES)
def test_a_method_nobody_knows_is_405_and_names_those_of_the_route(front: Outside, service: str) -> None:
    for path in ("/json", "/messages", "/echo"):
        for method in STRANGE:
            answer = front.ask(f"/{service}{path}", method=method)
            allowed = {word.strip() for word in answer.headers.get("allow", "").split(",")}
            assert (method, answer.status, allowed) == (method, 405, methods(path))


def methods(path: str) -> set[str]:
    return next(set(each) for route, each in ROUTES.items() if route.partition("?")[0] == path)


@pytest.mark.parametrize("service", NAMES)
def test_a_method_nobody_knows_finds_nothing_where_nothing_is(front: Outside, service: str) -> None:
    assert {front.ask(f"/{service}/nothing", method=method).status for method in STRANGE} == {404}


@pytest.mark.parametrize("service", STUBS)
def test_a_word_no_parser_knows_is_sent_as_one_that_all_know(stubbed: Running, service: str) -> None:
    assert {sent(stubbed, service, method) for method in STRANGE} == {"PROPFIND"}


def test_a_word_that_all_know_is_sent_as_it_is(stubbed: Running) -> None:
    for method in ("GET", "POST", "PUT", "PROPFIND"):
        assert sent(stubbed, "flask", method) == method


def sent(front: Outside, service: str, method: str) -> str:
    answer = front.ask(f"/{service}/json", method=method)
    assert answer.status == 200, answer.raw
    return answer.json["method"]


def test_the_edge_before_stubs_keeps_it(stubbed: Running) -> None:
    holds(stubbed)


MUTATIONS = [
    ("snippets/errors.conf", '"~^405 (TRACE|CONNECT) "  "";', ""),
    ("snippets/errors.conf", '"GET, HEAD";', '"";'),
    # An error page that answers instead, with 200.
    (
        "snippets/error-pages.conf",
        "error_page 400 401 403 404 405",
        "error_page 405 =200 /index.html;\nerror_page 400 401 403 404",
    ),
]


@pytest.mark.full
@pytest.mark.parametrize(("file", "good", "bad"), MUTATIONS)
def test_an_edge_that_answers_them_is_caught(mutated: Mutated, file: str, good: str, bad: str) -> None:
    with mutated(file, good, bad) as edge_, pytest.raises(AssertionError):
        holds(edge_)


@pytest.mark.full
def test_a_strange_word_passed_on_as_it_is_is_caught(mutated: Mutated) -> None:
    with mutated("snippets/proxy.conf", "proxy_method $method_sent;") as edge_, pytest.raises(AssertionError):
        test_a_word_no_parser_knows_is_sent_as_one_that_all_know(edge_, "fastapi")
