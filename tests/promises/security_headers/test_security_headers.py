"""The headers that protect a browser: on every answer, once, and an application's own win."""

from collections.abc import Iterator

import httpx
import pytest

from tests.config.edge import HOST as LOOPBACK
from tests.config.edge import Answer, Outside, Running
from tests.contract import SERVICES
from tests.promises.security_headers.cases import CASES, HSTS, ONCE, OWN, RAW, RETRY_AFTER, Case
from tests.promises.security_headers.clients import PROTOCOLS, ask, asking, cases, listening, prepare  # noqa: F401
from tests.promises.security_headers.mutations import MUTATIONS


def complaints(headers: httpx.Headers, expected: dict[str, list[str]]) -> list[str]:
    return [f"{name}: {headers.get_list(name)}" for name, value in expected.items() if headers.get_list(name) != value]


def expected(status: int, tls: bool = False) -> dict[str, list[str]]:
    """Of an answer that the edge made or an application that sends none of these."""
    once = {name: [value] for name, value in ONCE.items()}
    changing = {"retry-after": RETRY_AFTER.get(status, [])}
    return once | changing | {"strict-transport-security": [HSTS] if tls else [], "alt-svc": []}


def holds(edge_: Running) -> None:
    prepare(edge_)
    wrong = [each for protocol in PROTOCOLS for each in wrong_over(edge_, protocol)]
    assert wrong + wrong_raw(edge_) == []
    policies_hold(edge_)
    applications_own_headers_win(edge_)
    with asking(edge_, "HTTP/2") as client:
        for host in ("localhost", LOOPBACK):
            assert "strict-transport-security" not in ask(client, CASES["the site"], host).headers


def wrong_over(edge_: Running, protocol: str) -> Iterator[str]:
    with asking(edge_, protocol) as client:
        for name, case in cases(edge_):
            answer = ask(client, case)
            assert answer.status_code == case.status, (protocol, name, answer.status_code)
            assert len(answer.headers.get_list("x-request-id")) == 1, (protocol, name)
            # Over HTTP/1.1 a broken or long path is refused before Host is read, and nobody knows whose it was.
            known = client.base_url.scheme == "https" and (case.status not in {400, 414} or protocol == "HTTP/2")
            for each in complaints(answer.headers, expected(case.status, known)):
                yield f"{protocol}, {name}: {each}"


def wrong_raw(edge_: Outside) -> list[str]:
    wrong = []
    for name, (status, request) in RAW.items():
        answer = Answer(edge_.raw(request))
        assert answer.status == status, name
        wrong += [f"{name}: {each}" for each in ONCE if answer.count(each) != 1]
    return wrong


def policies_hold(edge_: Outside) -> None:
    """Content-Security-Policy: of the site and its error pages, of reports, and never of an application."""
    with asking(edge_, "HTTP/2") as client:
        page = ask(client, Case(404, "/nothing", headers=(("Accept", "text/html"),)))
        site = [ask(client, CASES["the site"]), page]
        report = ask(client, CASES["a report"]).headers.get_list("content-security-policy")
        application = ask(client, CASES["WSGI"])
    own, closed = (
        {"script-src 'self'", "style-src 'self'", "connect-src 'self'"},
        {"default-src 'none'", "frame-ancestors 'none'"},
    )
    for answer in site:
        assert directives(answer.headers.get_list("content-security-policy")) >= own | closed
    inline = {"script-src 'unsafe-inline'", "style-src 'unsafe-inline'"}
    assert directives(report) >= inline | closed | {"img-src data:"} and "connect-src" not in report[0]
    assert "content-security-policy" not in application.headers


def directives(policies: list[str]) -> set[str]:
    assert len(policies) == 1
    return set(policies[0].split("; "))


def applications_own_headers_win(edge_: Outside) -> None:
    """But the edge alone knows whether there is TLS."""
    for protocol in PROTOCOLS:
        with asking(edge_, protocol) as client:
            answer = ask(client, Case(200, "/flask/own/headers"))
            tls = client.base_url.scheme == "https"
        own = {name: [value] for name, value in OWN.items()}
        assert complaints(answer.headers, own | {"strict-transport-security": [HSTS] if tls else []}) == []


def test_every_answer_protects_the_browser_once(listening) -> None:  # noqa: F811
    with listening() as edge_:
        holds(edge_)


MAY_REPEAT = {"set-cookie", "vary"}  # an application's and the edge's own are a list


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_no_header_of_a_real_application_is_doubled(front: Outside, protocol: str) -> None:
    with asking(front, protocol) as client:
        answers = [client.get(f"/{name}{path}") for name in SERVICES for path in ("/json", "/no-such-path", "/headers")]
        answers += [client.post(f"/{name}{path}", content=b"a") for name in SERVICES for path in ("/echo", "/json")]

    for answer in answers:
        doubled = {name for name in answer.headers if len(answer.headers.get_list(name)) > 1} - MAY_REPEAT
        assert (str(answer.url), doubled) == (str(answer.url), set())
        assert {*ONCE, "x-request-id", "x-served-by", "date", "server"} <= answer.headers.keys()


@pytest.mark.full
@pytest.mark.parametrize(("file", "good", "bad"), MUTATIONS)
def test_a_header_that_is_missing_or_doubled_is_caught(listening, file: str, good: str, bad: str) -> None:  # noqa: F811
    with listening(file, good, bad) as edge_, pytest.raises(AssertionError):
        holds(edge_)
