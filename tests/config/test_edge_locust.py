"""Locust's web interface behind the edge, while one runs and while none does; and the reports beside it."""

import json
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import util
from pathlib import Path

import pytest

from deploy.ports import free_port
from tests.config.edge import HOST, Answer, Running, process, running, settings
from tests.config.test_edge_container import entrypoint, needs_envsubst
from tests.waiting import until

LOCUSTFILE = """
from locust import User, task


class Visitor(User):
    @task
    def nothing(self):
        self.environment.events.request.fire(
            request_type="GET", name="/", response_time=1, response_length=0, exception=None, context={}
        )
        __import__("gevent").sleep(0.1)
"""
ELSEWHERE = "Sec-Fetch-Site: cross-site"
HERE = "Sec-Fetch-Site: same-origin"
FORM = "Content-Type: application/x-www-form-urlencoded"


@pytest.fixture(scope="module")
def locust(nginx: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """An edge and a real Locust behind it."""
    if not util.find_spec("locust"):  # (!) never imported here: gevent would patch the whole test run
        pytest.skip("locust is not installed")
    folder = tmp_path_factory.mktemp("locust")
    (folder / "locustfile.py").write_text(LOCUSTFILE)
    port = str(free_port())
    argv = [sys.executable, "-m", "locust", "--host", "http://127.0.0.1:1"]
    argv += ["--web-host", HOST, "--web-port", port, "--web-base-path", "/locust"]
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL}
    with (
        running(folder, nginx, locust=f"{HOST}:{port}") as edge_,
        process(argv, folder / "locust.log", cwd=folder, **quiet),
    ):
        until(lambda: edge_.ask("/locust/").status == 200, 30)
        yield edge_


class Names:
    """A name server that knows some names, and counts what it is asked."""

    def __init__(self) -> None:
        self.known: dict[str, str] = {}
        self.asked: list[str] = []
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((HOST, 0))
        self.address = f"{HOST}:{self.socket.getsockname()[1]}"

    def serve(self) -> None:
        while True:
            try:
                question, peer = self.socket.recvfrom(512)
            except OSError:
                return
            if not question:
                return
            self.socket.sendto(self.answer(question), peer)

    def answer(self, question: bytes) -> bytes:
        name, rest = [], question[12:]
        while length := rest[0]:
            name.append(rest[1 : 1 + length].decode())
            rest = rest[1 + length :]
        self.asked.append(".".join(name))
        known = self.known.get(self.asked[-1])
        head = question[:2] + struct.pack("!5H", 0x8180 if known else 0x8183, 1, bool(known), 0, 0) + question[12:]
        return head + (struct.pack("!3HIH", 0xC00C, 1, 1, 1, 4) + socket.inet_aton(known) if known else b"")


@contextmanager
def names() -> Iterator[Names]:
    served = Names()
    thread = threading.Thread(target=served.serve, daemon=True)
    thread.start()
    try:
        yield served
    finally:
        served.socket.sendto(b"", served.socket.getsockname())
        thread.join(5)
        served.socket.close()


def ended_at_once(edge_: Running, answer: Answer) -> bool:
    return edge_.log(answer.headers["x-request-id"])["request_time"] < 1.5


def test_while_none_runs_it_is_502_at_once(nginx: Path, tmp_path: Path) -> None:
    with running(tmp_path, nginx, locust=f"{HOST}:{free_port()}") as edge_:
        answer = edge_.ask("/locust/stats/requests")

        assert (answer.status, answer.json["error"], answer.count("Retry-After")) == (502, "bad_gateway", 1)
        assert answer.json.keys() == {"error", "detail", "request_id"}
        assert ended_at_once(edge_, answer)


def test_name_of_no_container_is_502_and_asked_for_by_nobody_else(nginx: Path, tmp_path: Path) -> None:
    with names() as served, running(tmp_path, nginx, locust="locust:8089", resolver=(served.address,)) as edge_:
        assert edge_.ask("/").status == 200
        assert served.asked == []

        answer = edge_.ask("/locust/")

        assert (answer.status, answer.json["error"], answer.count("Retry-After")) == (502, "bad_gateway", 1)
        assert set(served.asked) == {"locust"}
        assert ended_at_once(edge_, answer)


def test_locust_that_starts_later_is_found_by_its_name(nginx: Path, tmp_path: Path, front: Running) -> None:
    address = front.replicas["flask-1"].address
    with names() as served:
        port = address.rpartition(":")[2]
        with running(tmp_path, nginx, locust=f"locust:{port}", resolver=(served.address,)) as edge_:
            before = edge_.ask("/locust/headers")
            served.known["locust"] = HOST
            after = until(lambda: (found := edge_.ask("/locust/headers")).status == 200 and found, 5)

    assert before.status == 502
    assert after.json["path"] == "/locust/headers"
    assert (after.seen["host"], after.seen["x-forwarded-prefix"]) == ("localhost", "/locust")


@needs_envsubst
def test_container_looks_for_the_service_of_its_profile(nginx: Path, tmp_path: Path) -> None:
    chosen = settings(tmp_path, nginx)
    out = tmp_path / "container"
    places = {"PONTE_RESOLVER": "resolver 127.0.0.1;", "PONTE_ACCESS_LOG": str(chosen.access_log)}

    ran = entrypoint(nginx, out, **places)

    assert ran.returncode == 0, ran.stderr
    assert 'set $locust "locust:8089";' in (out / "snippets" / "locust.conf").read_text()


def test_page_and_all_it_loads_come_through_the_edge(locust: Running) -> None:
    page = locust.ask("/locust/")

    assets = [part.partition('"')[0] for part in page.body.decode().split('="./')[1:]]
    assert len(assets) > 1
    assert {name: locust.ask(f"/locust/{name}").status for name in assets} == dict.fromkeys(assets, 200)


def test_load_test_is_started_watched_and_stopped_through_the_edge(locust: Running) -> None:
    started = locust.ask("/locust/swarm", HERE, FORM, method="POST", body=b"user_count=2&spawn_rate=2")

    assert json.loads(unchunked(started))["success"] is True
    until(lambda: json.loads(unchunked(locust.ask("/locust/stats/requests")))["total_rps"] > 0, 20)
    assert b"<html" in locust.ask("/locust/stats/report").body
    assert locust.ask("/locust/stop", HERE, method="POST").status == 200


def unchunked(answer: Answer) -> bytes:
    if answer.headers.get("transfer-encoding") != "chunked":
        return answer.body
    body, rest = b"", answer.body
    while size := int(rest.partition(b"\r\n")[0], 16):
        rest = rest.partition(b"\r\n")[2]
        body, rest = body + rest[:size], rest[size + 2 :]
    return body


def test_another_site_may_link_to_the_page_and_start_nothing(locust: Running) -> None:
    assert locust.ask("/locust/", ELSEWHERE).status == 200
    assert locust.ask("/locust?a=b", ELSEWHERE).status == 308

    refused = [
        locust.ask("/locust/swarm", ELSEWHERE, FORM, method="POST", body=b"user_count=2&spawn_rate=2"),
        *(locust.ask(path, ELSEWHERE, method="POST") for path in ("/locust/stop", "/locust//stop", "/locust/%73top")),
    ]

    assert {(each.status, each.json["error"]) for each in refused} == {(403, "forbidden")}
    assert locust.ask("/locust/stats/requests", "Origin: http://evil.test").count("Access-Control-Allow-Origin") == 0


def test_reports_begin_with_the_index_of_runs_once_there_is_one(nginx: Path, tmp_path: Path) -> None:
    with running(tmp_path, nginx) as edge_:
        run = edge_.settings.reports / "run-1"
        run.mkdir()
        listed = edge_.ask("/reports/")
        (run / "index.html").write_text("<p>one run")
        (edge_.settings.reports / "index.html").write_text("<p>all runs")
        index, page = edge_.ask("/reports/"), edge_.ask("/reports/run-1/")

    assert b'<a href="run-1/">' in listed.body
    assert (index.body, page.body) == (b"<p>all runs", b"<p>one run")
    assert index.headers["cache-control"] == "no-cache"
    assert (index.count("X-Request-ID"), index.headers["content-type"]) == (1, "text/html; charset=utf-8")
