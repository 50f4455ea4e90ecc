"""/stream: each line arrives when it is made, through the edge too."""

import time

import httpx

from tests import wire
from tests.apps import App
from tests.engine import Stack


def line_of(number: int) -> str:
    return f'{{"chunk":{number}}}'


def test_lines_arrive_as_they_are_made(app: App):
    with app.http.stream("GET", app.base + "/stream?chunks=6&ms=100") as answer:
        began = time.monotonic()
        arrivals = [(line, time.monotonic() - began) for line in answer.iter_lines()]

    assert [line for line, _ in arrivals] == [line_of(number) for number in range(6)]
    assert arrivals[0][1] < 0.35, "the first line waited for later ones"
    assert arrivals[-1][1] - arrivals[0][1] > 0.35


def test_a_stream_has_no_length(app: App):
    with app.http.stream("GET", app.base + "/stream?chunks=2&ms=1") as answer:
        assert "content-length" not in answer.headers
        assert answer.headers["transfer-encoding"] == "chunked"
        assert answer.headers["content-type"].startswith("text/plain")


def test_a_thousand_lines_arrive_in_order(app: App):
    lines = app.get("/stream?chunks=1000&ms=0").text.splitlines()

    assert lines == [line_of(number) for number in range(1000)]


def test_a_client_that_leaves_does_not_harm_the_next(app: App, stack: Stack):
    for _ in range(12):  # more than a replica has threads
        with wire.connection(stack.address) as sock:
            sock.sendall(wire.request(f"GET {app.prefix}/stream?chunks=1000&ms=20 HTTP/1.1"))
            wire.read_until(sock, b'{"chunk":0}')

    for _ in range(4):
        assert httpx.get(app.base + "/json", timeout=10).status_code == 200
