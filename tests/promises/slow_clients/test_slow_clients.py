"""Clients that send or read slower than anybody would: see promise.md."""

import shutil
import socket
import subprocess
import threading
import time
from contextlib import AbstractContextManager

import pytest

from tests import wire
from tests.config.edge import Outside, Running
from tests.contract import MIB, NAMES
from tests.promises.conftest import Mutated
from tests.promises.slow_clients.connections import HALF_A_HEAD, SLOW, half_a_body, many
from tests.waiting import until

SOON = 2.0  # seconds: a hundred times what a short request takes, for a machine that is busy with these tests


def slowest(front: Outside, service: str, requests: int = 10) -> float:
    """The longest that somebody else waits meanwhile."""
    waited = []
    for _ in range(requests):
        began = time.monotonic()
        assert front.ask(f"/{service}/json").status == 200
        waited.append(time.monotonic() - began)
    return max(waited)


def slow_readers(front: Outside, service: str) -> AbstractContextManager[list[socket.socket]]:
    text = wire.request(f"POST /{service}/echo HTTP/1.1", f"Content-Length: {MIB}", "Content-Type: text/plain")
    return many(front, text + b"x" * MIB)


def holds(front: Outside, services: tuple[str, ...]) -> None:
    for service in services:
        with (
            many(front, HALF_A_HEAD.replace(b"flask", service.encode())),
            many(front, half_a_body(service)) as bodies,
            slow_readers(front, service),
        ):
            assert slowest(front, service) < SOON
            for sock in bodies:
                sock.sendall(b"x" * 100000)
            assert all(wire.statuses(wire.read_all(sock)) == [200] for sock in bodies), "slow is not wrong"


@pytest.mark.parametrize("service", NAMES)
def test_slow_clients_keep_nobody_waiting(front: Outside, service: str) -> None:
    holds(front, (service,))


def unseen_until_whole(edge_: Running) -> None:
    """A WSGI application is asked when the body is there; an ASGI one, which waits at no cost, at once."""
    before = {service: asked(edge_, service) for service in ("flask", "fastapi")}
    with many(edge_, HALF_A_HEAD), many(edge_, half_a_body("flask")) as whole, many(edge_, half_a_body("fastapi")):
        until(lambda: asked(edge_, "fastapi") == before["fastapi"] + SLOW)
        assert edge_.ask("/fastapi/headers").status == 200  # the other halves would have had their turn by now
        assert asked(edge_, "flask") == before["flask"], "a slow body has a thread of an application"
        for sock in whole:
            sock.sendall(b"x" * 100000)
            wire.read_until(sock, b"}")
    assert asked(edge_, "flask") == before["flask"] + SLOW


def asked(front: Running, service: str) -> int:
    return sum(
        path == "/digest"
        for name, each in front.replicas.items()
        if name.startswith(service)
        for _, path in each.requests
    )


def test_wsgi_sees_a_body_only_when_it_is_whole_and_asgi_as_it_comes(stubbed: Running) -> None:
    unseen_until_whole(stubbed)


@pytest.mark.full
@pytest.mark.parametrize(
    ("file", "good", "bad"),
    [
        ("snippets/wsgi.conf", "proxy_request_buffering on;", "proxy_request_buffering off;"),
        ("services/flask.conf", "include snippets/wsgi.conf;", "include snippets/asgi.conf;"),
    ],
)
def test_an_edge_that_lets_a_slow_body_through_is_caught(mutated: Mutated, file: str, good: str, bad: str) -> None:
    with mutated(file, good, bad) as edge_, pytest.raises(AssertionError):
        unseen_until_whole(edge_)


# slowhttptest: 500 connections, opened within two seconds, for fifteen.
ATTACK = ("-c", "500", "-r", "250", "-l", "15", "-p", "2")
KINDS = {
    "slow heads": ("-H", "-i", "2"),
    "slow bodies": ("-B", "-i", "2", "-s", "8192", "-t", "POST"),
    "slow readers": ("-X", "-w", "10", "-y", "20", "-n", "5", "-z", "32", "-k", "3"),
}


@pytest.mark.full
@pytest.mark.parametrize("kind", KINDS)
def test_five_hundred_slow_connections_leave_the_service_available(front: Outside, kind: str) -> None:
    if not shutil.which("slowhttptest"):
        pytest.skip("slowhttptest is not installed (apt install slowhttptest)")
    waited: list[float] = []
    url = "http://{}:{}/flask/json".format(*front.address)
    with subprocess.Popen(["slowhttptest", *KINDS[kind], *ATTACK, "-u", url], stdout=subprocess.DEVNULL) as attack:
        while attack.poll() is None:
            waited.append(slowest(front, "flask", 1))
            threading.Event().wait(0.5)

    assert len(waited) > 10 and max(waited) < SOON, waited
