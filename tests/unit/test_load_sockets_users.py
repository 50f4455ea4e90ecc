"""Locust's WebSocket and event-stream users, in a real Locust against a server that misbehaves as told."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from loadtests.sockets import stamp
from tests.chatserver import ChatServer, chat_server

ROOT = Path(__file__).parents[2]
HEAD = """
from locust import constant, events, task
from loadtests.users.sse import EventStreamUser
from loadtests.users.websocket import WebSocketUser
import json

@events.quitting.add_listener
def tell(environment, **_):
    print("FOUND " + json.dumps([
        [each.method, each.name, each.num_requests, each.num_failures, each.median_response_time]
        for each in environment.stats.entries.values()]))
    print("FAILED " + json.dumps([[each.name, str(each.error), each.occurrences] for each in environment.stats.errors.values()]))
"""


@pytest.fixture
def server() -> Iterator[ChatServer]:
    with chat_server() as started:
        yield started


def locust(
    tmp_path: Path, host: str, scenario: str, seconds: int = 2, users: int = 1
) -> tuple[dict[str, Any], dict[str, str]]:
    """(by name: requests, failures, median in ms; failures by name)"""
    file = tmp_path / "scenario.py"
    file.write_text(HEAD + scenario)
    argv = [sys.executable, "-m", "locust", "-f", str(file), "--headless", "--only-summary", f"-u{users}", "-r10", f"-t{seconds}s",
            "--host", host]  # fmt: skip
    ran = subprocess.run(
        argv, capture_output=True, text=True, timeout=60, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    assert "Traceback" not in ran.stderr, ran.stderr
    lines = ran.stdout.splitlines()
    found, failed = (
        json.loads(next(line.removeprefix(word) for line in lines if line.startswith(word)))
        for word in ("FOUND ", "FAILED ")
    )
    return {f"{kind} {name}": rest for kind, name, *rest in found}, {name: error for name, error, _ in failed}


def echoing(payload: str = '"hello"', **attributes: object) -> str:
    lines = "".join(f"    {name} = {value!r}\n" for name, value in attributes.items())
    return (
        "class Echoer(WebSocketUser):\n    wait_time = constant(0.02)\n" + lines
        + f"    @task\n    def say(self):\n        self.echo({payload})\n"
    )  # fmt: skip


def test_an_echo_is_a_scenario_of_five_lines(tmp_path: Path, server: ChatServer) -> None:
    found, failed = locust(tmp_path, server.url, echoing())

    assert found["WS connect /ws/echo"][:2] == [1, 0]
    assert found["WS /ws/echo"][0] > 20 and not failed


@pytest.mark.full
def test_pings_are_answered_while_the_user_thinks(tmp_path: Path, server: ChatServer) -> None:
    """The server pings each half second, and gives up on who does not answer for one; so do we, in 0.3 s."""
    found, failed = locust(tmp_path, server.url, echoing(ping_seconds=0.3).replace("0.02", "1.4"), seconds=4)

    assert found["WS connect /ws/echo"][0] == 1 and not failed


@pytest.mark.full
@pytest.mark.parametrize(
    ("payload", "failure"),
    [('"goodbye"', "closed with 1012 (service restart)"), ('b"x" * 1_000_001', "closed with 1009 (message too big)"),
     ('"silence"', "no message within 0.3 s")],
)  # fmt: skip
def test_failures_have_a_clear_name_and_the_user_comes_back(
    tmp_path: Path, server: ChatServer, payload: str, failure: str
) -> None:
    found, failed = locust(tmp_path, server.url, echoing(payload, timeout=0.3, jitter_seconds=0.1))

    assert set(failed) == {"/ws/echo"} and failure in failed["/ws/echo"]
    assert found["WS connect /ws/echo"][0] > 2


FEED = """
class Reader(WebSocketUser):
    wait_time, path, jitter_seconds = constant(0.02), "/ws/chat?after={last}", 0.3
    @task
    def say(self):
        if self.send('{"text": "hello"}') and (row := self.receive()):
            number = json.loads(row)["id"]
            assert number == self.last + 1, f"{number} after {self.last}"
            self.last = number
"""


@pytest.mark.full
def test_a_feed_goes_on_where_it_broke_off(tmp_path: Path, server: ChatServer) -> None:
    """Every message once and in order, through restarts of the server."""
    for seconds in (2.0, 2.7, 3.4):
        server.close_soon(1012, seconds)
    found, _ = locust(tmp_path, server.url, FEED, seconds=4)

    assert found["WS connect /ws/chat"][0] > 1
    assert server.queries[0] == "after=0" and server.queries[1] != "after=0"


@pytest.mark.full
@pytest.mark.parametrize("status", [502, 404])
def test_a_refused_handshake_is_a_failure_with_its_status(tmp_path: Path, server: ChatServer, status: int) -> None:
    server.status["/ws/echo"] = status
    found, failed = locust(tmp_path, server.url, echoing(retry_seconds=0.2))

    assert f"handshake {status}" in failed["connect /ws/echo"] and set(failed) == {"connect /ws/echo"}
    assert 3 < found["WS connect /ws/echo"][1] < 15  # not as fast as it can


class Events(BaseHTTPRequestHandler):
    """Three events a stream, then its end; each stream begins where the last one ended."""

    protocol_version = "HTTP/1.1"
    resumed: list[str | None] = []
    first_byte = 0.0

    def do_GET(self) -> None:
        last = self.headers["Last-Event-ID"]
        self.resumed.append(last)
        time.sleep(self.first_byte)
        self.send_response(200 if self.path == "/app/events" else 404)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.part("retry: 200\n\n: a comment\n\n")
        for number in range(int(last or 0) + 1, int(last or 0) + 4):
            text = stamp.write("test", number)
            time.sleep(0.05)
            self.part(f"id: {number}\nevent: message\ndata: {json.dumps({'id': number, 'text': text})}\n\n")
        self.part("")

    def part(self, text: str) -> None:
        with suppress(OSError):  # the run is over
            self.wfile.write(f"{len(text.encode()):x}\r\n{text}\r\n".encode())

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def events_server() -> Iterator[str]:
    Events.resumed, Events.first_byte = [], 0.0
    server = ThreadingHTTPServer(("127.0.0.1", 0), Events)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/app"
    finally:
        server.shutdown()
        server.server_close()


READER = """
class Reader(EventStreamUser):
    @task
    def read(self):
        self.next_event()
"""


@pytest.mark.full
def test_a_stream_is_timed_to_its_first_byte_and_each_event_by_its_stamp(tmp_path: Path) -> None:
    with events_server() as host:
        Events.first_byte = 0.3
        found, failed = locust(tmp_path, host, READER)

    requests, failures, median = found["SSE /events"]
    assert requests >= 2 and failures == 0 and 250 < median < 600
    assert found["SSE /events event"][0] >= 6 and found["SSE /events event"][2] < 100
    assert failed == {"/events event": "the stream ended"}


@pytest.mark.full
def test_a_stream_that_ends_is_resumed_by_the_last_id_after_the_retry_time(tmp_path: Path) -> None:
    with events_server() as host:
        locust(tmp_path, host, READER)

    assert Events.resumed[:4] == [None, "3", "6", "9"]
    assert 4 <= len(Events.resumed) <= 8  # 200 ms apart, beside the 150 each takes


@pytest.mark.full
def test_a_stream_that_is_not_there_is_a_failure_with_its_status(tmp_path: Path) -> None:
    with events_server() as host:
        _, failed = locust(tmp_path, host + "/nowhere", READER)

    assert failed == {"/events": "404"}


def test_both_are_used_in_one_scenario(tmp_path: Path, server: ChatServer) -> None:
    found, _ = locust(
        tmp_path,
        server.url,
        echoing(fixed_count=1) + READER.replace("    @task", "    fixed_count = 1\n    @task"),
        users=2,
    )

    assert found["WS /ws/echo"][0] > 0
    assert found["SSE /events"][1] >= 1  # this server has no events: 400 or its like
