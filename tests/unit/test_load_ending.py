"""What Locust's own ending loses is kept: real masters and workers against a small server that counts."""

import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from deploy.ports import free_port
from tests.processes import listens
from tests.waiting import until

pytestmark = pytest.mark.full  # real processes and seconds of load

ROOT = Path(__file__).resolve().parents[2]
USERS = 4
HEADLESS = ("--headless", "--users", str(USERS), "--spawn-rate", "100", "--only-summary", "--html", "report.html")
LOCUSTFILE = """
from locust import HttpUser, LoadTestShape, constant, events, task

from loadtests.users import ending


class Visitor(HttpUser):
    wait_time = constant(0.05)

    @task
    def visit(self):
        self.client.get("/")


@events.init.add_listener
def end_well(environment, **_):
    ending.install(environment)
"""
SHAPE = """
class Shape(LoadTestShape):
    def tick(self):
        return 4, 100
"""


class Count(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    answered = 0

    def do_GET(self) -> None:
        type(self).answered += 1
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    Count.answered = 0
    with ThreadingHTTPServer(("127.0.0.1", 0), Count) as started:
        started.daemon_threads = True
        threading.Thread(target=started.serve_forever, args=(0.05,), daemon=True).start()
        yield started
        started.shutdown()


@dataclass
class Process:
    popen: subprocess.Popen
    log: Path

    def says(self, pattern: str) -> bool:
        return bool(re.search(pattern, self.log.read_text()))

    def end(self, number: int = signal.SIGTERM) -> int:
        self.popen.send_signal(number)
        return self.popen.wait(30)


class Locusts:
    """Masters and workers in one folder, on one free port."""

    def __init__(self, folder: Path, server: ThreadingHTTPServer, stack: ExitStack):
        self.folder, self.stack = folder, stack
        self.host = f"http://127.0.0.1:{server.server_address[1]}"
        self.report = folder / "report.html"
        (folder / "locustfile.py").write_text(LOCUSTFILE)
        self.port = str(free_port())

    def start(self, *words: str) -> Process:
        log = self.folder / f"{len(list(self.folder.glob('*.log')))}.log"
        argv = [sys.executable, "-m", "locust", "--host", self.host, *words]
        with log.open("wb") as file:
            popen = subprocess.Popen(
                argv, cwd=self.folder, env={"PYTHONPATH": str(ROOT)}, stdout=file, stderr=file, stdin=subprocess.DEVNULL
            )
        self.stack.callback(popen.wait)
        self.stack.callback(popen.kill)
        return Process(popen, log)

    def master(self, workers: int, *words: str) -> Process:
        address = ("--master-bind-host", "127.0.0.1", "--master-bind-port", self.port)
        return self.start("--master", *address, "--expect-workers", str(workers), *HEADLESS, *words)

    def worker(self) -> Process:
        return self.start("--worker", "--master-port", self.port)


@pytest.fixture
def locusts(tmp_path: Path, server: ThreadingHTTPServer) -> Iterator[Locusts]:
    with ExitStack() as stack:
        yield Locusts(tmp_path, server, stack)


def reported(process: Process) -> int:
    """Requests in the closing table."""
    return int(re.findall(r"^ +Aggregated +(\d+)", process.log.read_text(), re.MULTILINE)[0])


def busy(requests: int) -> Callable[[], bool]:
    return lambda: Count.answered >= requests


def test_sigterm_writes_the_report(locusts: Locusts) -> None:
    alone = locusts.start(*HEADLESS)
    until(busy(20), 20)

    assert alone.end() == 0
    assert "<html" in locusts.report.read_text()
    assert 0 <= Count.answered - reported(alone) <= USERS  # those in flight


def test_sigterm_while_a_shape_runs_writes_the_report(locusts: Locusts) -> None:
    (locusts.folder / "locustfile.py").write_text(LOCUSTFILE + SHAPE)
    alone = locusts.start("--headless", "--only-summary", "--html", "report.html")
    until(busy(20), 20)

    assert alone.end() == 0
    assert "<html" in locusts.report.read_text()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_the_last_seconds_of_every_worker_are_in_the_figures(locusts: Locusts, number: signal.Signals) -> None:
    master = locusts.master(2)
    workers = [locusts.worker() for _ in range(2)]
    until(busy(100), 30)

    code = master.end(number)

    assert (code, [each.popen.wait(10) for each in workers]) == (0, [0, 0])
    assert 0 <= Count.answered - reported(master) <= USERS
    assert f'"num_requests": {reported(master)},' in locusts.report.read_text()
    assert not master.says("worker .* (lost|left)")


def test_processes_of_one_command_end_together(locusts: Locusts) -> None:
    ports = ("--master-port", locusts.port, "--master-bind-port", locusts.port)
    master = locusts.start("--processes", "2", *ports, *HEADLESS)
    until(busy(100), 30)

    assert master.end() == 0
    assert 0 <= Count.answered - reported(master) <= USERS
    assert locusts.report.exists()


def test_a_worker_that_dies_is_told_and_the_run_fails(locusts: Locusts) -> None:
    master = locusts.master(2)
    victim, _ = locusts.worker(), locusts.worker()
    until(busy(20), 30)

    victim.end(signal.SIGKILL)

    until(lambda: master.says(r"worker \d \(.+\) is lost: it has not been heard of"), 15)
    assert master.end() == 1
    summary = "1 of 2 workers was lost; its requests since its last report are not in the figures"
    assert master.log.read_text().count(summary) == 1
    assert locusts.report.exists()


def test_a_worker_that_dies_at_the_end_is_told_too(locusts: Locusts) -> None:
    master = locusts.master(2)
    victim, _ = locusts.worker(), locusts.worker()
    until(busy(20), 30)

    victim.end(signal.SIGKILL)

    assert master.end() == 1
    assert master.says("1 of 2 workers was lost")


def test_a_late_worker_is_told(locusts: Locusts) -> None:
    master = locusts.master(1)
    locusts.worker()
    until(busy(20), 30)

    locusts.worker()

    until(lambda: master.says(r"worker 2 \(.+\) joined \d+ s after the start"), 15)
    assert master.end() == 0


def test_a_worker_that_is_stopped_leaves_its_figures(locusts: Locusts) -> None:
    master = locusts.master(2)
    leaver, _ = locusts.worker(), locusts.worker()
    until(busy(50), 30)

    assert leaver.end() == 0

    until(lambda: master.says(r"worker \d \(.+\) left during the run; what it measured is in the figures"), 15)
    assert master.end() == 0
    assert 0 <= Count.answered - reported(master) <= 2 * USERS  # cut off: the leaver's, then the others'


def test_sigterm_before_the_workers_are_there_is_one_sentence(locusts: Locusts) -> None:
    master = locusts.master(2)
    until(lambda: master.says("Starting Locust"), 20)
    until(lambda: master.says("Waiting for workers"), 20)

    assert master.end() == 1
    assert master.says("ended by SIGTERM before the run began; nothing was measured")
    assert not master.says("Traceback") and not locusts.report.exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_an_interface_that_nobody_used_keeps_the_last_report(locusts: Locusts, number: signal.Signals) -> None:
    locusts.report.write_text("the last one")
    alone = locusts.start("--web-host", "127.0.0.1", "--web-port", locusts.port, "--html", "report.html")
    until(lambda: alone.says("Starting web interface"), 20)
    until(lambda: listens(("127.0.0.1", int(locusts.port))), 20)

    assert alone.end(number) == 0
    assert locusts.report.read_text() == "the last one"


def test_a_folder_that_cannot_be_written_is_said_before_the_run(locusts: Locusts) -> None:
    (locusts.folder / "file").touch()
    alone = locusts.start(*HEADLESS, "--html", "file/report.html")

    assert alone.popen.wait(20) == 3
    assert alone.says("'file' cannot be written, so there would be no report")
    assert Count.answered == 0
