"""The edge's log: one JSON object a line, with the id that the application and the client have seen."""

import httpx
import pytest

from tests import logs, wire
from tests.apps import App
from tests.engine import Stack
from tests.sockets import header, opened, refused
from tests.waiting import until


def entries(stack: Stack, text: str) -> list[dict]:
    """Log lines of the edge that hold a text."""
    return logs.objects("\n".join(line for line in stack.logs("nginx").splitlines() if text in line))


def test_the_edge_logs_a_request_under_the_id_the_client_got(apps: dict[str, App], stack: Stack):
    answers = {name: app.get("/wait?ms=300") for name, app in apps.items()}
    last = answers["fastapi"].headers["x-request-id"]
    logged = {entry["request_id"]: entry for entry in until(lambda: entries(stack, last) and entries(stack, "/wait"))}

    for name, answer in answers.items():
        entry = logged[answer.headers["x-request-id"]]
        assert {"GET", f"/{name}/wait?ms=300", 200} <= set(entry.values())
        assert any(0.3 <= float(value) < 5 for key, value in entry.items() if "upstream" in key and "time" in key), (
            entry
        )


def test_the_edge_logs_its_own_errors(stack: Stack, http: httpx.Client):
    answer = http.get(stack.url + "/no-such-path")

    assert until(lambda: entries(stack, answer.headers["x-request-id"]))


def test_the_edge_logs_the_method_the_client_used_when_it_answers_with_an_error(stack: Stack, http: httpx.Client):
    answer = http.post(stack.url + "/flask/metrics")
    (entry,) = until(lambda: entries(stack, answer.headers["x-request-id"]))

    assert (answer.status_code, entry["status"], entry["method"]) == (404, 404, "POST")


def test_a_log_line_cannot_be_forged(stack: Stack):
    agent = 'User-Agent: a", "status": "forged\\u0022 \xff'
    wire.exchange(stack.address, wire.request('GET /no-such-path?"%0a{} HTTP/1.1', agent))

    (entry,) = until(lambda: entries(stack, "forged"))
    assert "forged" not in str(entry["status"])


def test_an_application_is_silent_about_requests_that_went_well(app: App, stack: Stack):
    number = app.get("/json").headers["x-request-id"]

    assert lines_about(stack, app, number) == []


def lines_about(stack: Stack, app: App, number: str) -> list[str]:
    return [line for line in stack.logs(app.name).splitlines() if number in line]


@pytest.mark.sockets
def test_an_application_is_silent_about_websockets_too(asgi_app: App, stack: Stack):
    with opened(asgi_app.ws + "/ws/echo") as socket:
        accepted = header(socket, "X-Request-ID")
    answer = refused(asgi_app.ws + "/ws/chat", additional_headers={"Origin": "http://evil.example"})

    assert lines_about(stack, asgi_app, accepted) == []
    assert lines_about(stack, asgi_app, answer.headers["X-Request-ID"]) == []


def test_every_service_has_logs(stack: Stack):
    for name in ("flask", "django", "django-asgi", "fastapi", "nginx", "postgres"):
        assert stack.logs(name).strip(), name
