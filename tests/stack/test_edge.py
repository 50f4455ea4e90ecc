"""The edge itself: hosts, site, health, its own errors and limits."""

import httpx
import pytest

from tests import wire
from tests.contract import HEX_32, assert_error, assert_shape
from tests.engine import Stack


@pytest.mark.parametrize("host", ("localhost", "127.0.0.1", "[::1]", "nginx"))
def test_every_default_name_is_answered_with_any_port(stack: Stack, host: str):
    for name in (host, f"{host}:1234"):
        assert wire.statuses(wire.exchange(stack.address, wire.request("GET / HTTP/1.1", host=name))) == [200]


def test_the_site_is_a_page(stack: Stack, http: httpx.Client):
    answer = http.get(stack.url + "/")

    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")
    for name in ("flask", "django", "django-asgi", "fastapi"):
        assert f"/{name}/" in answer.text


MISSING = ("/no-such-path", "/static/no", "/static/django/no.css", "/fastap", "/nginx.conf", "/.env", "/error.json",
           "/error.html")  # fmt: skip


@pytest.mark.parametrize("path", MISSING)
def test_what_the_edge_has_not_is_404_in_the_error_shape(stack: Stack, http: httpx.Client, path: str):
    assert_error(http.get(stack.url + path), 404)


def test_an_error_of_the_edge_is_html_for_a_browser_and_json_for_everybody_else(stack: Stack, http: httpx.Client):
    url = stack.url + "/no-such-path"
    browser = http.get(url, headers={"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"})

    assert browser.status_code == 404
    assert browser.headers["content-type"].startswith("text/html")
    assert browser.headers["x-request-id"] in browser.text
    for accept in ("*/*", "application/json", ""):
        assert_error(http.get(url, headers={"Accept": accept}), 404)


def test_ids_of_the_edges_own_errors_are_not_the_clients(stack: Stack, http: httpx.Client):
    fields = assert_error(http.get(stack.url + "/no-such-path", headers={"X-Request-ID": "e" * 32}), 404)

    assert fields["request_id"] != "e" * 32


def errors(received: bytes) -> dict:
    return httpx.Response(200, content=received.partition(b"\r\n\r\n")[2]).json()


@pytest.mark.parametrize("name", ("flask", "django", "django-asgi", "fastapi"))
def test_a_body_over_the_largest_upload_is_413_before_it_is_sent(stack: Stack, name: str):
    head = wire.request(f"POST /{name}/digest HTTP/1.1", f"Content-Length: {1024**3 + 1}")

    answer = wire.exchange(stack.address, head, seconds=1)  # nginx waits 5 s for a body it will not take

    assert wire.statuses(answer) == [413]
    assert_shape(errors(answer), 413)


def test_an_answer_of_the_edge_has_an_id(stack: Stack, http: httpx.Client):
    for path in ("/", "/no-such-path", "/healthz"):
        assert HEX_32.fullmatch(http.get(stack.url + path).headers["x-request-id"]), path


def test_a_kept_connection_serves_many_requests(stack: Stack):
    request = b"GET /flask/json HTTP/1.1\r\nHost: localhost\r\n\r\n"
    last = wire.request("GET /flask/json HTTP/1.1")

    assert wire.statuses(wire.exchange(stack.address, request * 5 + last)) == [200] * 6


def test_http_1_0_is_answered(stack: Stack):
    for path in ("/flask/json", "/django/stream?ms=0", "/fastapi/stream?ms=0"):
        answer = wire.exchange(stack.address, f"GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode())

        assert wire.statuses(answer) == [200]
        assert b"transfer-encoding" not in answer.lower()
