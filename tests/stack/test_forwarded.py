"""What the edge tells an application of a request, and what a client cannot make it say."""

import ipaddress

import pytest

from tests import wire
from tests.apps import App
from tests.contract import HEX_32, assert_error
from tests.corpus import FORGED
from tests.engine import Stack

TOLD = ("x-forwarded-for", "x-forwarded-host", "x-forwarded-port", "x-forwarded-proto", "x-forwarded-prefix")


def shown(app: App, **headers: str) -> dict:
    return app.get("/headers", headers=headers).json()


def test_the_application_sees_the_request_as_the_client_made_it(app: App, stack: Stack):
    fields = shown(app)
    host, port = stack.address

    assert fields["host"] == f"{host}:{port}"
    assert (fields["scheme"], fields["root_path"]) == ("http", app.prefix)
    assert fields["path"] == f"{app.prefix}/headers"
    if stack.engine == "native":
        assert fields["client"] == "127.0.0.1"
    ipaddress.ip_address(fields["client"])


def test_the_edge_says_one_thing_in_each_header(app: App, stack: Stack):
    fields = shown(app)
    headers = fields["headers"]
    host, port = stack.address

    assert headers["x-forwarded-for"] == fields["client"]
    assert headers["x-forwarded-host"] == f"{host}:{port}"
    assert headers["x-forwarded-port"] == str(port)
    assert headers["x-forwarded-proto"] == "http"
    assert headers["x-forwarded-prefix"] == app.prefix
    assert HEX_32.fullmatch(headers["x-request-id"])


def test_a_client_cannot_forge_what_the_edge_says(app: App):
    honest, fields = shown(app), shown(app, **FORGED)

    for name in ("host", "client", "scheme", "root_path", "path"):
        assert fields[name] == honest[name]
    for name in TOLD:
        assert fields["headers"][name] == honest["headers"][name]
    for name in ("forwarded", "x-forwarded-ssl", "proxy"):
        assert not fields["headers"].get(name)
    assert fields["headers"]["x-request-id"] != "e" * 32


def test_the_id_is_never_the_clients_and_never_the_same(app: App):
    ids = {app.get("/json", headers={"X-Request-ID": "e" * 32}).headers["x-request-id"] for _ in range(20)}

    assert len(ids) == 20 and "e" * 32 not in ids
    assert all(map(HEX_32.fullmatch, ids))


def test_the_application_and_the_answer_have_the_same_id(app: App):
    answer = app.get("/headers")

    assert answer.json()["headers"]["x-request-id"] == answer.headers["x-request-id"]
    assert answer.headers.get_list("x-request-id") == [answer.headers["x-request-id"]]
    assert len(answer.headers.get_list("x-served-by")) == 1


HOSTS = ("localhost", "LocalHost", "localhost:1234", "127.0.0.1:99", "[::1]:8080", "nginx", "localhost.")


@pytest.mark.parametrize("given", HOSTS)
def test_the_host_is_the_one_the_client_named_with_its_port(app: App, stack: Stack, given: str):
    answer = wire.exchange(stack.address, wire.request(f"GET {app.prefix}/headers HTTP/1.1", host=given))

    assert wire.statuses(answer) == [200]
    expected = given.lower().replace("localhost.", "localhost")
    assert f'"host":"{expected}"'.encode() in answer.replace(b'": "', b'":"')


def test_an_absolute_target_wins_over_the_host_header(app: App, stack: Stack):
    request = wire.request(f"GET http://localhost{app.prefix}/headers HTTP/1.1", host="127.0.0.1")

    answer = wire.exchange(stack.address, request)

    assert b'"host":"localhost"' in answer.replace(b'": "', b'":"')
    assert b"evil" not in wire.exchange(stack.address, request.replace(b"127.0.0.1", b"evil.example"))


def test_repeated_headers_are_joined_by_comma_and_space(app: App):
    fields = app.get("/headers", headers=[("X-Two", "a"), ("x-two", "b")]).json()

    assert fields["headers"]["x-two"] == "a, b"


def test_the_query_string_arrives_unchanged(app: App):
    assert app.get("/wait?ms=1&x=%2F%26&y=a+b").json() == {"ms": 1}
    assert app.get("/wait?x=/../&ms=2").json() == {"ms": 2}


def test_a_path_that_is_no_text_is_404(app: App):
    for path in ("/json%FF", "/%FF", "/%C3json"):
        assert_error(app.get(path), 404)


def test_the_prefix_without_its_slash_is_redirected_for_good(app: App, stack: Stack):
    url = f"{stack.url}{app.prefix}"
    answer = app.http.request("POST", url + "?a=1")

    assert answer.status_code == 308
    assert str(answer.url.join(answer.headers["location"])) == url + "/?a=1"


def test_a_redirect_stays_on_the_host_the_client_named(app: App, stack: Stack):
    answer = wire.exchange(stack.address, wire.request(f"GET {app.prefix} HTTP/1.1", "X-Forwarded-Host: evil.example"))

    assert wire.statuses(answer) == [308]
    assert b"evil" not in answer
    assert wire.headers(answer)["location"] in (f"{app.prefix}/", f"http://localhost{app.prefix}/")


def test_what_only_begins_like_a_prefix_is_nothing(app: App, stack: Stack):
    for path in (f"{app.prefix}x/json", f"{app.prefix}-x/", f"{app.prefix.upper()}/json"):
        assert app.http.request("GET", stack.url + path).status_code == 404
