"""Bodies as they travel: in chunks, slowly, and far larger than memory should hold."""

import hashlib
import os
import time
from collections.abc import Iterator

import httpx
import pytest

from tests import processes, wire
from tests.apps import App
from tests.contract import MIB, assert_error
from tests.engine import Stack

BLOCK = os.urandom(MIB)
BLOCKS = 100


def parts(count: int, size: int = 70_000) -> Iterator[bytes]:
    for number in range(count):
        yield bytes([number % 256]) * size


@pytest.mark.parametrize("path", ("/echo", "/digest"))
def test_a_chunked_body_is_read_whole(app: App, path: str):
    body = b"".join(parts(10))
    answer = app.post(path, content=parts(10), headers={"Content-Type": "application/x-test"})

    assert answer.status_code == 200
    if path == "/echo":
        assert answer.content == body
        assert answer.headers["content-type"] == "application/x-test"
    else:
        assert answer.json() == {"bytes": len(body), "sha256": hashlib.sha256(body).hexdigest()}


def test_chunked_json_is_read(app: App):
    answer = app.post("/messages", content=iter([b'{"author":"ada"', b',"text":"in ', b'chunks"}']))

    assert (answer.status_code, answer.json()["text"]) == (201, "in chunks")


@pytest.mark.parametrize(("path", "count"), (("/echo", 16), ("/messages", 2), ("/jobs", 2)))
def test_a_chunked_body_over_the_limit_is_413(app: App, path: str, count: int):
    assert_error(app.post(path, content=parts(count)), 413)


def test_an_empty_chunked_body_is_empty(app: App):
    assert app.post("/echo", content=iter([])).content == b""
    assert app.post("/digest", content=iter([])).json()["bytes"] == 0
    assert_error(app.post("/messages", content=iter([])), 400)


def test_a_client_that_expects_100_continue_gets_it(app: App, stack: Stack):
    lines = ("Content-Type: text/plain", "Content-Length: 5", "Expect: 100-continue")
    with wire.connection(stack.address) as sock:
        sock.sendall(wire.request(f"POST /{app.name}/echo HTTP/1.1", *lines))
        assert wire.statuses(wire.read_until(sock, b"\r\n\r\n")) == [100]
        sock.sendall(b"hello")
        answer = wire.read_all(sock)

    assert wire.statuses(answer) == [200] and answer.endswith(b"hello")


def test_echo_answers_after_the_last_byte(app: App, stack: Stack):
    with wire.connection(stack.address, 0.5) as sock:
        sock.sendall(wire.request(f"POST /{app.name}/echo HTTP/1.1", "Content-Length: 10", body=b"hello"))
        assert wire.read_all(sock) == b"", "an answer before the body was whole"
        sock.sendall(b"world")
        sock.settimeout(5)
        answer = wire.read_all(sock)

    assert wire.statuses(answer) == [200] and answer.endswith(b"helloworld")


def test_a_body_that_ends_early_is_not_an_answer(app: App, stack: Stack):
    before = app.newest()
    body = b'{"author":"ada","text":"cut"}'
    with wire.connection(stack.address) as sock:
        sock.sendall(wire.request(f"POST /{app.name}/messages HTTP/1.1", f"Content-Length: {len(body) + 1}", body=body))

    after = app.say("later")
    assert [row["id"] for row in app.messages(before)] == [after["id"]]


def test_a_body_of_100_mb_is_hashed_in_constant_memory(app: App, stack: Stack):
    expected = hashlib.sha256()
    for _ in range(BLOCKS):
        expected.update(BLOCK)
    answer = app.post("/digest", content=(BLOCK for _ in range(BLOCKS)))
    held, most = memory_of(answer, app, stack)

    assert answer.json() == {"bytes": BLOCKS * MIB, "sha256": expected.hexdigest()}
    assert most - held < 40 * MIB


def memory_of(answer: httpx.Response, app: App, stack: Stack) -> tuple[int, int]:
    _, replica, pid = answer.headers["x-served-by"].split("/")
    row = next(row for row in stack.replicas(app.name) if row["replica"] == replica)
    try:
        return processes.memory(row, stack.engine, int(pid))
    except PermissionError:
        pytest.skip("only root sees the memory of a process in a container")


def test_echoes_of_one_mebibyte_come_back_whole_one_after_the_other(app: App):
    for _ in range(10):
        assert app.post("/echo", content=BLOCK).content == BLOCK


def test_a_client_that_reads_slowly_gets_everything(app: App, stack: Stack):
    with wire.connection(stack.address) as sock:
        sock.sendall(wire.request(f"POST /{app.name}/echo HTTP/1.1", f"Content-Length: {MIB}", body=BLOCK))
        received = sock.recv(1000)
        time.sleep(0.3)  # being slow is the point
        received += wire.read_all(sock)

    assert received.partition(b"\r\n\r\n")[2] == BLOCK
