"""A server on its own port, without the edge: it too refuses what can be read in two ways, and logs in one shape."""

import json
from collections.abc import Iterator

import httpx
import pytest

from tests import wire
from tests.apps import App
from tests.contract import SERVICES, assert_error
from tests.corpus import CORPUS
from tests.servers import PAIRS, Lone, replica
from tests.stack.tolerated import tolerated
from tests.waiting import until

BODY = b'{"a": 1}'


@pytest.fixture(autouse=True, scope="module")
def once(request: pytest.FixtureRequest) -> None:
    if request.config.getoption("--engine") != "native":
        pytest.skip("needs no containers; runs with --engine native")


# One service of each interface, with its own server, in the quick tier.
QUICK = (("flask", "gunicorn"), ("fastapi", "uvicorn"))
# Closes a connection on which it has not read all, without having said so.
SAYS_NOTHING = ("granian", "uwsgi")
EACH = [pytest.param(pair, marks=() if pair in QUICK else pytest.mark.full, id="-".join(pair)) for pair in PAIRS]


@pytest.fixture(scope="module", params=EACH)
def lone(request: pytest.FixtureRequest) -> Iterator[Lone]:
    service, server = request.param
    with replica(service, server, ACCESS_LOG="1") as running:
        yield running


@pytest.fixture
def bare(lone: Lone, http: httpx.Client) -> App:
    return App(SERVICES[lone.service], http, lone.url)


@pytest.mark.parametrize("what", CORPUS)
def test_an_ambiguous_request_is_refused_by_the_server(lone: Lone, what: str):
    answer = wire.exchange(("127.0.0.1", lone.port), CORPUS[what]("/echo", BODY), seconds=1)
    accepted = any(status < 400 for status in wire.statuses(answer))

    assert accepted == (what in tolerated(lone.service, lone.server)), answer


def test_the_good_request_they_are_made_of_is_answered(lone: Lone):
    request = wire.request("POST /echo HTTP/1.1", f"Content-Length: {len(BODY)}", body=BODY)

    assert wire.statuses(wire.exchange(("127.0.0.1", lone.port), request)) == [200]


def test_a_bad_request_does_not_stop_the_server(bare: App):
    assert bare.get("/healthz").text == "ok"


# Apache itself refuses a Host that is none; the edge lets none of them in.
ODD_HOSTS = ("", "a:b:c")
REFUSES_ODD_HOSTS = ("mod_wsgi",)


def test_healthz_answers_any_host(lone: Lone):
    for host in ("evil.example", *ODD_HOSTS, "127.0.0.1:1"):
        refused = host in ODD_HOSTS and lone.server in REFUSES_ODD_HOSTS
        answer = wire.exchange(("127.0.0.1", lone.port), wire.request("GET /healthz HTTP/1.1", host=host))

        assert (host, wire.statuses(answer)) == (host, [400 if refused else 200])


def test_healthz_answers_without_a_database_and_readyz_names_it(bare: App):
    assert bare.get("/healthz").status_code == 200
    assert "database" in assert_error(bare.get("/readyz"), 503)["detail"]


def test_a_body_that_keeps_coming_is_cut_at_its_limit(bare: App, lone: Lone):
    def endless() -> Iterator[bytes]:
        for _ in range(40):
            yield b"x" * 65_536

    for path in ("/echo", "/messages", "/jobs"):
        try:
            answer = bare.post(path, content=endless())
        except httpx.WriteError:  # the server closed before it had read all: RFC 9112, section 9.6
            continue
        except (httpx.ReadError, httpx.RemoteProtocolError):
            assert lone.server in SAYS_NOTHING
            continue
        assert answer.status_code == 413


def test_what_an_application_logs_while_serving_has_the_id_of_the_request(bare: App, lone: Lone):
    answer = bare.get("/json", headers={"X-Request-ID": "ab" * 16})
    assert answer.headers["x-request-id"] == "ab" * 16  # the caller is trusted: it is on this machine

    found = until(lambda: [line for line in lone.lines() if line["request_id"] == "ab" * 16])
    assert all(line["service"] == lone.service and line["replica"] == "lone-1" for line in found)


def test_every_line_of_the_log_is_a_json_object(lone: Lone):
    assert lone.lines()
    for line in lone.lines():
        assert {"time", "level", "service", "replica", "message", "request_id"} <= set(line)


def test_the_log_cannot_be_forged_by_a_path(bare: App, lone: Lone):
    bare.get('/x%0A{"level":"error","message":"forged"}', headers={"X-Request-ID": "cd" * 16})
    until(lambda: "cd" * 16 in json.dumps(lone.lines()))

    assert "forged" not in {line["message"] for line in lone.lines()}


@pytest.mark.parametrize("pair", EACH)
def test_requests_are_not_logged_unless_asked_for(pair: tuple[str, str], http: httpx.Client):
    with replica(*pair) as quiet:
        http.get(f"{quiet.url}/json", headers={"X-Request-ID": "ef" * 16})

        assert "ef" * 16 not in json.dumps(quiet.lines())
