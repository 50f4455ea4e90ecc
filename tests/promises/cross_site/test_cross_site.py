"""WebSockets, CORS and preflights as a browser would ask: see promise.md."""

from collections.abc import Callable

import httpx
import pytest
from websockets.exceptions import InvalidStatus

from deploy.ports import free_port
from tests.config.edge import Outside
from tests.contract import ASGI, NAMES
from tests.promises.behind import upstreams  # noqa: F401
from tests.sockets import opened

FOREIGN = "https://evil.example"
PATHS = ("/", "/json", "/headers", "/messages", "/session", "/no-such-path", "/ws/chat", "/events")
PREFLIGHT = {
    "Origin": FOREIGN,
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "content-type",
    "Access-Control-Request-Private-Network": "true",
}


def foreign(scheme: str, port: int) -> list[str]:
    """Origins that look like ours and are not, or are another's altogether."""
    other = {"http": "https", "https": "http"}[scheme]
    return [
        FOREIGN,
        "null",
        "",
        f"{other}://127.0.0.1:{port}",
        f"{scheme}://127.0.0.1",
        f"{scheme}://127.0.0.1:{port + 1}",
        f"{scheme}://localhost:{port}",
        f"{scheme}://127.0.0.1:{port}.evil.example",
        f"{scheme}://evil.example:{port}",
        f"{scheme}://127.0.0.1:{port}@evil.example",
        f"{scheme}://127.0.0.1.evil.example:{port}",
        f"{scheme}://evil.example#127.0.0.1:{port}",
    ]


def status(front: Outside, scheme: str, service: str, origin: str | None) -> int:
    """Of the handshake of /ws/chat."""
    host, port = {"http": front.address, "https": front.tls}[scheme]
    try:
        with opened(f"{scheme.replace('http', 'ws')}://{host}:{port}/{service}/ws/chat", origin=origin):
            return 101
    except InvalidStatus as refusal:
        return refusal.response.status_code


def only_its_own_pages_open_a_socket(front: Outside, service: str) -> None:
    for scheme, (host, port) in (("http", front.address), ("https", front.tls)):
        expected = {None: 101, f"{scheme}://{host}:{port}": 101} | dict.fromkeys(foreign(scheme, port), 403)

        assert {origin: status(front, scheme, service, origin) for origin in expected} == expected


def no_foreign_page_may_read(front: Outside, paths: tuple[str, ...]) -> None:
    with httpx.Client(base_url="http://{}:{}".format(*front.address), timeout=5) as http:
        for path in paths:
            asked = http.options(path, headers=PREFLIGHT)
            assert (path, asked.status_code) in {(path, 405), (path, 404)}
            assert shares(asked) == []
            with http.stream("GET", path, headers={"Origin": FOREIGN}) as answer:
                assert shares(answer) == []


def shares(answer: httpx.Response) -> list[str]:
    return [name for name in answer.headers if name.startswith("access-control") or name == "timing-allow-origin"]


@pytest.mark.parametrize("service", ASGI)
def test_only_a_page_of_the_edge_opens_a_socket(front: Outside, service: str) -> None:
    only_its_own_pages_open_a_socket(front, service)


@pytest.mark.parametrize("service", NAMES)
def test_no_foreign_page_may_read_an_application(front: Outside, service: str) -> None:
    no_foreign_page_may_read(front, tuple(f"/{service}{path}" for path in PATHS))


def test_no_foreign_page_may_read_what_the_edge_itself_answers(front: Outside) -> None:
    no_foreign_page_may_read(front, ("/", "/site.css", "/static/none", "/no-such-path"))


@pytest.fixture
def edge_with_tls(mutated, upstreams) -> Callable:  # noqa: F811
    return lambda *words: mutated(*words, upstreams=upstreams, listen_tls=(f"127.0.0.1:{free_port()}",))


@pytest.mark.full
def test_an_edge_of_our_own_passes(edge_with_tls: Callable) -> None:
    with edge_with_tls() as edge_:
        only_its_own_pages_open_a_socket(edge_, "fastapi")
        no_foreign_page_may_read(edge_, ("/flask/json", "/", "/no-such-path"))


SOCKETS = [
    ("snippets/proxy.conf", "X-Forwarded-Host  $host$colon_port;", "X-Forwarded-Host $host;"),
    ("snippets/proxy.conf", "X-Forwarded-Host  $host$colon_port;", "X-Forwarded-Host $http_origin;"),
    ("snippets/proxy.conf", "X-Forwarded-Proto $client_scheme;", "X-Forwarded-Proto http;"),
    ("snippets/proxy.conf", "charset off;", 'charset off; proxy_set_header Origin "";'),
]
SHARING = [
    ("snippets/response-headers.conf", "add_header Retry-After", "add_header Access-Control-Allow-Origin * always;\nadd_header Retry-After"),
    ("snippets/response-headers.conf", "add_header Retry-After", "add_header Timing-Allow-Origin * always;\nadd_header Retry-After"),
]  # fmt: skip


@pytest.mark.full
@pytest.mark.parametrize(("file", "good", "bad"), SOCKETS)
def test_an_edge_that_hides_the_origin_is_caught(edge_with_tls: Callable, file: str, good: str, bad: str) -> None:
    with edge_with_tls(file, good, bad) as edge_, pytest.raises(AssertionError):
        only_its_own_pages_open_a_socket(edge_, "fastapi")


@pytest.mark.full
@pytest.mark.parametrize(("file", "good", "bad"), SHARING)
def test_an_edge_that_shares_with_everybody_is_caught(edge_with_tls: Callable, file: str, good: str, bad: str) -> None:
    with edge_with_tls(file, good, bad) as edge_, pytest.raises(AssertionError):
        no_foreign_page_may_read(edge_, ("/flask/json", "/"))
