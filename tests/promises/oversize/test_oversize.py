"""Requests that are too large: see promise.md."""

import pytest

from tests import wire
from tests.config.edge import Answer, Outside, Running
from tests.contract import MIB, NAMES, assert_shape
from tests.promises.conftest import Mutated

KIB = 1024
PATHS = ("/flask/json", "/fastapi/json")
LONG = "a" * 9 * KIB
TOO_LARGE = {
    "a request line": (("GET {path}?" + LONG + " HTTP/1.1",), 414),
    "a header": (("GET {path} HTTP/1.1", "X-Long: " + LONG), 431),
    "a name of a header": (("GET {path} HTTP/1.1", f"X-{LONG}: 1"), 431),
    "a cookie": (("GET {path} HTTP/1.1", "Cookie: " + LONG), 431),
    "a head": (("GET {path} HTTP/1.1", *(f"X-{number}: {'a' * 8000}" for number in range(5))), 431),
    "a count of headers": (("GET {path} HTTP/1.1", *(f"X-{number}: 1" for number in range(101))), 431),
}
LARGEST = {
    "a request line": ("GET {path}?" + "a" * (8 * KIB - 100) + " HTTP/1.1",),
    "a header": ("GET {path} HTTP/1.1", "X-Long: " + "a" * (8 * KIB - 100)),
    "a head": ("GET {path} HTTP/1.1", *(f"X-{number}: {'a' * 7000}" for number in range(3))),
}
HANG_UP = 1  # seconds to wait for more; the edge itself waits 5 s for a body it will not take


def holds(front: Outside, largest: int, paths: tuple[str, ...] = PATHS) -> None:
    for path in paths:
        for what, (lines, status) in TOO_LARGE.items():
            assert (what, refusal(front, filled(lines, path))) == (what, status)
        for what, lines in LARGEST.items():
            answer = Answer(front.raw(filled(lines, path)))
            assert (what, answer.status) == (what, 200)
        head = wire.request(f"POST {path.rpartition('/')[0]}/digest HTTP/1.1", f"Content-Length: {largest + 1}")
        assert refusal(front, head) == 413


def filled(lines: tuple[str, ...], path: str) -> bytes:
    return wire.request(lines[0].replace("{path}", path), *lines[1:])


def refusal(front: Outside, request: bytes) -> int | None:
    """The status of an answer in the shape of the edge's errors."""
    answer = Answer(front.raw(request, HANG_UP))
    assert answer.headers.get("content-type") == "application/json", answer.raw[:300]
    assert_shape(answer.json, answer.status or 0)
    return answer.status


@pytest.mark.parametrize("service", NAMES)
def test_what_is_too_large_is_refused_and_what_is_not_is_answered(front: Outside, service: str) -> None:
    holds(front, 1024 * MIB, (f"/{service}/json",))


@pytest.mark.parametrize("service", NAMES)
def test_ninety_nine_headers_and_those_of_the_edge_are_answered(front: Outside, service: str) -> None:
    assert front.ask(f"/{service}/json", *(f"X-{number}: 1" for number in range(97))).status == 200  # and two of ask's


@pytest.mark.parametrize("service", NAMES)
@pytest.mark.parametrize(("path", "largest"), [("/echo", MIB), ("/messages", 64 * KIB), ("/jobs", 64 * KIB)])
def test_a_body_over_the_limit_of_its_route_is_413(front: Outside, service: str, path: str, largest: int) -> None:
    body = b" " * (largest + 1)
    line = f"POST /{service}{path} HTTP/1.1"

    for request in (
        wire.request(line, f"Content-Length: {len(body)}", body=body),
        wire.request(line, "Transfer-Encoding: chunked", body=b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)),
    ):
        assert refusal(front, request) == 413


@pytest.mark.parametrize("service", ["flask", "fastapi"])
def test_body_of_the_largest_size_passes_and_one_byte_more_is_413(stubbed: Running, service: str) -> None:
    limit = stubbed.settings.max_upload
    path = f"/{service}/digest"

    assert stubbed.ask(path, method="POST", body=b"x" * limit).json["bytes"] == limit
    assert stubbed.ask(path, method="POST", body=b"x" * (limit + 1)).status == 413


@pytest.mark.parametrize("service", ["flask", "fastapi"])
def test_chunked_body_over_the_limit_is_413(stubbed: Running, service: str) -> None:
    size = stubbed.settings.max_upload + 1
    body = b"%x\r\n%s\r\n0\r\n\r\n" % (size, b"x" * size)

    answer = stubbed.raw(wire.request(f"POST /{service}/digest HTTP/1.1", "Transfer-Encoding: chunked", body=body))

    assert wire.statuses(answer) == [413]


def test_the_edge_before_stubs_keeps_it(stubbed: Running) -> None:
    if "max_headers" in stubbed.settings.nginx.lacks():
        pytest.skip("this nginx cannot count headers (max_headers came with 1.29.8)")
    holds(stubbed, stubbed.settings.max_upload)


MUTATIONS = [
    ("snippets/client.conf", "large_client_header_buffers 4 8k;", "large_client_header_buffers 8 32k;"),
    ("snippets/client.conf", "large_client_header_buffers 4 8k;", "large_client_header_buffers 2 4k;"),
    ("snippets/error-pages.conf", "error_page 494 =431 $error_page;", ""),
    ("snippets/error-pages.conf", "413 414 421", "421"),
    ("features/max_headers.conf", "max_headers 100;", "max_headers 1000;"),
    ("templates/snippets/routes.conf.template", "client_max_body_size ${PONTE_MAX_UPLOAD};", "client_max_body_size 0;"),
    ("services/fastapi.conf", "include snippets/asgi.conf;", "include snippets/asgi.conf;\nclient_max_body_size 2g;"),
]


@pytest.mark.full
@pytest.mark.parametrize(("file", "good", "bad"), MUTATIONS)
def test_an_edge_that_takes_more_is_caught(mutated: Mutated, file: str, good: str, bad: str) -> None:
    with mutated(file, good, bad) as edge_, pytest.raises(AssertionError):
        holds(edge_, edge_.settings.max_upload)
