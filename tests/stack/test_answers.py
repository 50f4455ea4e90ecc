"""What each simple route says; the same in process and behind the edge."""

import re
import time

import httpx
import pytest

from tests.apps import App
from tests.contract import HEX_32, ROUTES, assert_error

SERVED_BY = "{}/[A-Za-z0-9_.-]+/[0-9]+"
TIMING = re.compile(r"app;dur=([0-9]+\.[0-9])")


def test_index_says_who_answers(app: App):
    fields = app.get("/").json()

    assert list(fields) == ["app", "framework", "interface", "server", "replica", "pid", "python", "release"]
    assert type(fields.pop("pid")) is int
    assert all(isinstance(value, str) and value for value in fields.values())
    assert (fields["app"], fields["framework"]) == (app.name, app.service.framework)
    assert fields["interface"] == app.service.interface
    assert re.fullmatch(r"3\.\d+\.\d+\S*", fields["python"])


def test_served_by_is_service_replica_and_pid(app: App):
    answer = app.get("/")
    fields = answer.json()

    assert answer.headers["x-served-by"] == f"{app.name}/{fields['replica']}/{fields['pid']}"


@pytest.mark.parametrize("path", ROUTES)
def test_every_answer_says_who_gave_it_how_long_that_took_and_has_an_id(app: App, path: str):
    answer = app.request("DELETE", path)

    assert re.fullmatch(SERVED_BY.format(app.name), answer.headers["x-served-by"])
    assert HEX_32.fullmatch(answer.headers["x-request-id"])
    assert TIMING.fullmatch(answer.headers["server-timing"])


def milliseconds(answer: httpx.Response) -> float:
    return float(TIMING.fullmatch(answer.headers["server-timing"])[1])


def test_a_browser_is_told_how_long_the_application_took_to_begin_its_answer(app: App):
    assert milliseconds(app.get("/wait?ms=120")) >= 119  # uvloop's timers count whole milliseconds
    # Half: Bottle begins with the first line in hand.
    assert milliseconds(app.get("/stream?chunks=2&ms=500")) < 1000, "the end, not the beginning"


def test_healthz_is_ok(app: App):
    answer = app.get("/healthz")

    assert (answer.status_code, answer.text) == (200, "ok")
    assert answer.headers["content-type"].startswith("text/plain")


def test_plaintext_is_exactly_hello_world(app: App):
    answer = app.get("/plaintext")

    assert answer.content == b"Hello, World!"
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.headers["content-length"] == "13"


def test_json_is_a_message(app: App):
    answer = app.get("/json")

    assert answer.json() == {"message": "Hello, World!"}
    assert answer.headers["content-type"] == "application/json"


def test_wait_takes_its_time(app: App):
    began = time.monotonic()

    assert app.get("/wait?ms=120").json() == {"ms": 120}
    assert time.monotonic() - began >= 0.12


def test_cpu_takes_at_least_its_time(app: App):
    began = time.monotonic()

    assert app.get("/cpu?ms=60").json() == {"ms": 60}
    assert time.monotonic() - began >= 0.06


def test_stream_is_numbered_lines_of_text(app: App):
    answer = app.get("/stream?chunks=3&ms=1")

    assert answer.text == '{"chunk":0}\n{"chunk":1}\n{"chunk":2}\n'
    assert answer.headers["content-type"].startswith("text/plain")
    assert "content-length" not in answer.headers


def test_headers_shows_the_request_as_the_client_made_it(app: App):
    answer = app.get("/headers?a=1", headers=[("X-One", "1"), ("X-Two", "a"), ("x-two", "b")])
    fields = answer.json()

    assert list(fields) == ["method", "path", "root_path", "scheme", "host", "client", "headers"]
    assert (fields["method"], fields["path"], fields["root_path"]) == ("GET", f"{app.prefix}/headers", app.prefix)
    assert fields["scheme"] == "http"
    assert fields["headers"]["x-one"] == "1"
    assert all(name == name.lower() for name in fields["headers"])


@pytest.mark.parametrize("path", ("/events", "/ws/echo", "/ws/chat"))
def test_events_and_websockets_are_501_under_wsgi_with_the_reason(app: App, path: str):
    if not app.is_asgi:
        assert "WSGI" in assert_error(app.get(path), 501)["detail"]
    elif path != "/events":
        assert_error(app.get(path), 426)


def test_accept_html_does_not_change_an_applications_error(app: App):
    assert_error(app.get("/no-such-path", headers={"Accept": "text/html"}), 404)
