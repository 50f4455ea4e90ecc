"""Pages that everybody expects of a site, and the methods that files answer."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from deploy.ports import free_port
from tests.config.edge import HOST, Running, running

SVG = "image/svg+xml"
TEXT = "text/plain; charset=utf-8"
# path -> type, and where it leads
PAGES = {
    "/robots.txt": (TEXT, "/robots.txt"),
    "/.well-known/security.txt": (TEXT, "/.well-known/security.txt"),
    "/favicon.ico": (SVG, "/favicon.svg"),
    "/favicon.svg": (SVG, "/favicon.svg"),
    "/": ("text/html; charset=utf-8", "/"),
    "/site.css": ("text/css", "/site.css"),
    "/chat.js": ("text/javascript", "/chat.js"),
}
WRITING = ("POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND", "BREW")
FILES = ("/", "/site.css", "/nothing", "/robots.txt", "/.well-known/", "/.well-known/security.txt", "/static/",
         "/static/django/nothing.css", "/reports/", "/reports/run")  # fmt: skip


def follow(edge_: Running, path: str, method: str = "GET") -> httpx.Response:
    host, port = edge_.address
    with httpx.Client(base_url=f"http://{host}:{port}", verify=False, follow_redirects=True) as client:
        return client.request(method, path)


@pytest.mark.parametrize("path", PAGES)
def test_pages_that_are_asked_for_unasked_are_there(front: Running, path: str) -> None:
    kind, end = PAGES[path]

    answer, head = follow(front, path), follow(front, path, "HEAD")

    assert (answer.status_code, answer.headers["content-type"], answer.url.path) == (200, kind, end)
    assert (head.status_code, head.headers["content-type"], head.url.path) == (200, kind, end)
    assert answer.content and not head.content


def test_pages_are_found_through_the_redirect_to_https(nginx: Path, tmp_path: Path) -> None:
    tls, plain = free_port(), free_port()
    listening = {"listen": (f"{HOST}:{plain}",), "listen_tls": (f"{HOST}:{tls}",), "https_port": tls}
    with running(tmp_path, nginx, https_redirect=True, **listening) as edge_:
        answers = {path: follow(edge_, path) for path in PAGES}

    assert {path: (answer.status_code, answer.headers["content-type"]) for path, answer in answers.items()} == {
        path: (200, kind) for path, (kind, _) in PAGES.items()
    }
    assert {answer.url.scheme for answer in answers.values()} == {"https"}
    assert {answer.history[0].status_code for answer in answers.values()} == {308}


def test_security_txt_says_whom_to_tell_and_until_when(front: Running) -> None:
    lines = front.ask("/.well-known/security.txt").body.decode().splitlines()
    fields = dict(line.split(": ", 1) for line in lines if line and not line.startswith("#"))

    assert fields["Contact"].startswith(("mailto:", "https://"))
    assert datetime.fromisoformat(fields["Expires"]) < datetime.now(UTC) + timedelta(days=366), "RFC 9116: under a year"


def test_robots_are_kept_from_what_applications_answer(front: Running) -> None:
    lines = front.ask("/robots.txt").body.decode().splitlines()

    assert lines[-3:] == ["User-agent: *", "Allow: /$", "Disallow: /"]


@pytest.mark.parametrize("method", WRITING)
def test_files_are_read_and_nothing_else(front: Running, method: str) -> None:
    for path in FILES:
        answer = front.ask(path, method=method)

        assert (path, answer.status, answer.headers.get("allow")) == (path, 405, "GET, HEAD")
        assert answer.json["error"] == "method_not_allowed"


@pytest.mark.parametrize("path", ["/site.css", "/robots.txt", "/static/django/a.css", "/reports/run/index.html"])
def test_a_head_has_the_headers_of_a_get_and_no_body(front: Running, path: str) -> None:
    for folder in (front.settings.static / "django" / "a.css", front.settings.reports / "run" / "index.html"):
        folder.parent.mkdir(exist_ok=True)
        folder.write_text("a{}")

    get, head = front.ask(path), front.ask(path, method="HEAD")

    assert (head.status, head.body) == (200, b"")
    varying = {"date", "x-request-id"}
    assert {name: value for name, value in head.headers.items() if name not in varying} == {
        name: value for name, value in get.headers.items() if name not in varying
    }
