"""A form and a script on a page of another site, in a real browser: see promise.md."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

import pytest

from tests.browser.conftest import chromium  # noqa: F401
from tests.config.edge import Outside
from tests.contract import NAMES
from tests.promises.behind import upstreams  # noqa: F401

pytestmark = pytest.mark.full


VISIT_TWICE = """async () => {
    await fetch("session", {method: "POST"});
    return (await fetch("session", {method: "POST"})).json();
}"""


class Page(BaseHTTPRequestHandler):
    """A page that posts a form to the address behind its question mark."""

    def do_GET(self) -> None:
        target = unquote(self.path.partition("?")[2])
        page = f'<form method="post" action="{target}"><button>Win a prize</button></form>'.encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, *_: object) -> None: ...


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[str]:
    """Another site: `localhost` is none of 127.0.0.1's."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield f"http://localhost:{server.server_address[1]}"
        server.shutdown()


def the_foreign_form_comes_without_the_cookie(front: Outside, service: str, browser, elsewhere: str) -> None:  # type: ignore[no-untyped-def]
    ours = "http://{}:{}/{}/".format(*front.address, service)
    context = browser.new_context()
    page = context.new_page()
    page.goto(ours)
    assert page.evaluate(VISIT_TWICE) == {"visits": 2}
    page.goto(f"{elsewhere}/?{ours}session")
    with page.expect_navigation():
        page.click("button")
    seen = page.inner_text("body")
    context.close()

    assert "".join(seen.split()) == '{"visits":1}'


def the_foreign_script_reads_nothing(front: Outside, service: str, browser, elsewhere: str) -> None:  # type: ignore[no-untyped-def]
    ours = "http://{}:{}/{}/json".format(*front.address, service)
    page = browser.new_page()
    page.goto(elsewhere)
    read = page.evaluate("url => fetch(url).then(answer => answer.text(), error => 'refused')", ours)
    page.close()

    assert read == "refused"


@pytest.mark.parametrize("service", NAMES)
def test_a_foreign_page_uses_nothing(front: Outside, chromium, elsewhere: str, service: str) -> None:  # noqa: F811
    the_foreign_form_comes_without_the_cookie(front, service, chromium, elsewhere)
    the_foreign_script_reads_nothing(front, service, chromium, elsewhere)


def test_an_edge_that_lets_the_cookie_come_along_is_caught(mutated, upstreams, chromium, elsewhere: str) -> None:  # noqa: F811
    mutation = ("snippets/proxy.conf", "proxy_redirect off;", "proxy_cookie_flags ~ secure samesite=none;")
    with mutated(*mutation, upstreams=upstreams) as edge_, pytest.raises(AssertionError):
        the_foreign_form_comes_without_the_cookie(edge_, "flask", chromium, elsewhere)


def test_an_edge_that_shares_with_everybody_is_caught(mutated, upstreams, chromium, elsewhere: str) -> None:  # noqa: F811
    shared = "add_header Access-Control-Allow-Origin * always;\nadd_header Retry-After"
    mutation = ("snippets/response-headers.conf", "add_header Retry-After", shared)
    with mutated(*mutation, upstreams=upstreams) as edge_, pytest.raises(AssertionError):
        the_foreign_script_reads_nothing(edge_, "flask", chromium, elsewhere)
