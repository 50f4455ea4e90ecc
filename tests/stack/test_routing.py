"""Which paths and methods answer; the same in process and behind the edge."""

import pytest

from tests.apps import App
from tests.contract import NEED_DATABASE, ROUTES, assert_error

FIXED = [path for path, methods in ROUTES.items() if "GET" in methods and not path.startswith(NEED_DATABASE)]
UNKNOWN = ["/json/", "/JSON", "/jso", "/jsonp", "/json;a=1", "/json%20", "/json.", "/messages/", "/jobs/", "/jobs/1/2",
           "/ws/", "/ws/echo/", "/healthz/", "/no-such-path", "/json%0A", "/%0A", "/a%2Fb", "/index.html"]  # fmt: skip
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND")


@pytest.mark.parametrize("path", UNKNOWN)
def test_a_path_that_is_not_exactly_a_route_is_404(app: App, path: str):
    assert_error(app.get(path), 404)


def test_a_path_may_be_percent_encoded(app: App):
    assert app.get("/%6As%6Fn").json() == {"message": "Hello, World!"}


@pytest.mark.parametrize("method", ("POST", "DELETE", "OPTIONS", "PROPFIND"))
def test_an_unknown_path_is_404_for_every_method(app: App, method: str):
    assert_error(app.request(method, "/no-such-path"), 404)


@pytest.mark.parametrize("path", ROUTES)
def test_a_method_that_a_route_has_not_is_405_and_allow_names_those_it_has(app: App, path: str):
    for method in set(METHODS) - set(ROUTES[path]):
        answer = app.request(method, path)
        allowed = {word.strip() for word in answer.headers.get("allow", "").split(",")}

        assert (method, answer.status_code, allowed) == (method, 405, set(ROUTES[path]))
        if method != "HEAD":
            assert_error(answer, 405)


@pytest.mark.parametrize("method", ("BREW", "X-Y"))
def test_a_method_that_nobody_knows_is_405_too(app: App, method: str):
    answer = app.request(method, "/json")

    assert_error(answer, 405)
    assert {word.strip() for word in answer.headers["allow"].split(",")} == {"GET", "HEAD"}


@pytest.mark.parametrize("path", FIXED)
def test_head_answers_as_get_does_without_a_body(app: App, path: str):
    got, head = app.get(path), app.request("HEAD", path)

    assert head.content == b""
    assert (head.status_code, kind(head)) == (got.status_code, kind(got))
    assert head.headers["x-served-by"]
    if "content-length" in head.headers and path not in ("/", "/headers"):  # pid, method: not the same length twice
        assert head.headers["content-length"] == got.headers["content-length"]


def kind(answer) -> str | None:
    return answer.headers.get("content-type")


def test_head_of_an_unknown_path_is_404_without_a_body(app: App):
    answer = app.request("HEAD", "/no-such-path")

    assert (answer.status_code, answer.content) == (404, b"")


@pytest.mark.parametrize("path", ("/docs", "/openapi.json", "/static/x", "/admin/"))
def test_only_fastapi_has_documentation_pages(app: App, path: str):
    expected = 200 if app.name == "fastapi" and path in ("/docs", "/openapi.json") else 404

    assert app.get(path).status_code == expected


def test_answers_name_no_software(app: App):
    for path in ("/json", "/no-such-path"):
        answer = app.get(path)

        assert answer.headers.get("server", "nginx") == "nginx"
        assert "x-powered-by" not in answer.headers
