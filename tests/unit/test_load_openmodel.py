"""The open-model user as Locust runs it: rates, latency from the due time, stages, stops, several processes."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from deploy.ports import free_port
from loadtests.measure import samples
from loadtests.measure.samples import UNANSWERED, UNFINISHED, Samples
from tests.contract import ROOT
from tests.waiting import until

SERVER = """
import http.server, sys, time
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    def do_GET(self):
        if not self.server.asked: print("asked", flush=True)
        self.server.asked = True
        if "slow" in self.path: time.sleep(30)
        body = b"ok"
        self.send_response(500 if "bad" in self.path else 200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Served-By", "flask/flask-1/1")
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *words): pass
class Server(http.server.ThreadingHTTPServer):
    request_queue_size, asked = 1024, False
server = Server(("127.0.0.1", 0), Handler)
print(server.server_address[1], flush=True)
server.serve_forever()
"""


@pytest.fixture
def server() -> Iterator[tuple[subprocess.Popen, str]]:
    process = subprocess.Popen([sys.executable, "-c", SERVER], stdout=subprocess.PIPE, text=True)
    assert process.stdout
    yield process, f"http://127.0.0.1:{process.stdout.readline().strip()}"
    process.kill()
    process.wait()


def command(url: str, file: Path, *words: str) -> list[str]:
    script = ROOT / "loadtests" / "locustfile.py"
    return [sys.executable, "-m", "locust", "-f", str(script), "--headless", "--only-summary", "--host", url, "--service", "/",
            "--mix", "/", "-u", "1", "-t", "60s", "-s", "5", "--samples", str(file), *words]  # fmt: skip


def measured(url: str, file: Path, *words: str) -> Samples:
    done = subprocess.run(command(url, file, *words), cwd=file.parent, capture_output=True, text=True, timeout=60)
    assert file.exists(), done.stderr
    return samples.load(file)


def test_a_run_ends_with_its_stages_and_offers_their_rates(server, tmp_path: Path):
    found = measured(server[1], tmp_path / "s.npz", "--stages", "2s@50,2s@150", "--arrivals", "uniform")

    assert [int(np.sum(found.stage == stage)) for stage in (0, 1)] == pytest.approx([100, 300], abs=1)
    assert found.succeeded.all()
    assert found.replicas == ("", "flask/flask-1/1")


@pytest.mark.parametrize("share", [0.5, pytest.param(1, marks=pytest.mark.full)])
def test_a_frozen_server_is_felt_by_everybody_who_arrived_meanwhile(server, tmp_path: Path, share: float):
    """100 requests/s for 11.5 s, frozen for 2 s of them, or a share of both: a closed loop reports a p95 of 7 ms."""
    process, url = server
    with ThreadPoolExecutor(1) as pool:
        freezing = pool.submit(freeze, process, 4 * share, 2 * share)
        found = measured(url, tmp_path / "s.npz", "--stages", f"{11.5 * share}s@100", "--arrivals", "uniform")
    too_long = freezing.result() - 2 * share

    assert 1.2 * share < np.percentile(found.latency, 95) - too_long < 1.6 * share
    assert len(found) == pytest.approx(1150 * share, abs=2)


def freeze(process: subprocess.Popen, after: float, seconds: float) -> float:
    """So long after its first request, for so long, or a little longer: gives how long."""
    assert process.stdout and process.stdout.readline().startswith("asked")
    time.sleep(after)
    process.send_signal(signal.SIGSTOP)
    began = time.monotonic()
    time.sleep(seconds)
    process.send_signal(signal.SIGCONT)
    return time.monotonic() - began


@pytest.mark.full
def test_two_processes_offer_together_what_one_does(server, tmp_path: Path):
    one = measured(server[1], tmp_path / "one.npz", "--stages", "4s@100", "--arrivals", "uniform")
    two = measured(
        server[1],
        tmp_path / "two.npz",
        "--stages",
        "4s@50",
        "--arrivals",
        "uniform",
        "--processes",
        "2",
        "-u",
        "2",
        *ports(),
    )

    assert len(two) == pytest.approx(len(one), abs=3)
    assert (np.diff(two.intended) >= 0).all()


def ports() -> list[str]:
    port = str(free_port())
    return [
        "--master-bind-host",
        "127.0.0.1",
        "--master-bind-port",
        port,
        "--master-host",
        "127.0.0.1",
        "--master-port",
        port,
    ]


@pytest.mark.full
def test_arrivals_go_on_while_nothing_is_answered_and_what_is_left_is_told(server, tmp_path: Path):
    found = measured(
        server[1], tmp_path / "s.npz", "--stages", "3s@20", "--arrivals", "uniform", "--mix", "/slow", "-s", "1"
    )

    assert len(found) == pytest.approx(60, abs=1)
    assert set(found.status.tolist()) <= {UNFINISHED, UNANSWERED}
    assert found.in_flight.max() > 50


def test_an_interrupted_run_keeps_what_it_measured(server, tmp_path: Path):
    file = tmp_path / "s.npz"
    process = subprocess.Popen(
        command(server[1], file, "--stages", "50s@50"), cwd=tmp_path, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr
    until(lambda: "All users spawned" in (process.stderr.readline() if process.stderr else ""), 20)
    time.sleep(1)  # of load: the condition is time itself
    os.kill(process.pid, signal.SIGINT)
    process.communicate(timeout=30)

    assert 20 < len(samples.load(file)) < 200


def test_answers_from_400_up_are_failures(server, tmp_path: Path):
    done = subprocess.run(
        command(server[1], tmp_path / "s.npz", "--stages", "1s@20", "--mix", "/bad"), capture_output=True, text=True
    )

    assert done.returncode == 1
    assert "500" in done.stdout + done.stderr
    assert not samples.load(tmp_path / "s.npz").succeeded.any()


WRONG = [
    (["--rate", "0"], "--rate 0 is no rate"),
    (["--rate", "-3"], "--rate -3 is no rate"),
    (["--stages", "10"], "'10' is no stage"),
    (["--mix", "everything"], "the mix 'everything' is unknown; choose from visit,"),
    (["--service", "apache"], "--service 'apache' is unknown; choose from flask,"),
    (["--arrivals", "bursts"], "--arrivals 'bursts' is unknown; choose from poisson, uniform"),
]


@pytest.mark.parametrize(
    ("words", "sentence"), [WRONG[0], *(pytest.param(*each, marks=pytest.mark.full) for each in WRONG[1:])]
)
def test_a_wrong_option_is_one_sentence(tmp_path: Path, words: list[str], sentence: str):
    done = subprocess.run(
        command("http://127.0.0.1:9", tmp_path / "s.npz", *words), capture_output=True, text=True, timeout=60
    )

    assert done.returncode == 1
    assert f"locust: {sentence}" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_scenario_that_raises_is_told_and_the_run_goes_on(server, tmp_path: Path):
    scenario = tmp_path / "mine.py"
    scenario.write_text(
        f"import sys; sys.path.insert(0, {str(ROOT)!r})\nfrom locust import task\nfrom loadtests.users.openmodel import OpenModelUser\n"
        "class Mine(OpenModelUser):\n    @task\n    def fail(self):\n        self.client.get('/')\n        raise KeyError('mine')\n"
    )
    argv = [
        sys.executable,
        "-m",
        "locust",
        "-f",
        str(scenario),
        "--headless",
        "-u",
        "1",
        "-t",
        "3s",
        "--host",
        server[1],
        "--only-summary",
    ]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60)

    assert done.returncode == 1
    assert "KeyError: 'mine'" in done.stderr
    assert done.stderr.count("KeyError") > 3


def test_the_example_of_ten_lines_runs(server, tmp_path: Path):
    argv = [
        sys.executable,
        "-m",
        "locust",
        "-f",
        str(ROOT / "loadtests/users/example.py"),
        "--headless",
        "-u",
        "1",
        "-t",
        "2s",
        "--host",
        server[1],
    ]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=60)

    assert "messages" in done.stderr
