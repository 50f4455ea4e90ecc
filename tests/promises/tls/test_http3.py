"""HTTP/3 of the image's nginx, which only HTTP3=1 turns on: see promise.md."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.ports import free_port
from tests import tls
from tests.config.edge import HOST, Outside, certificate
from tests.engine import Stack
from tests.waiting import until

pytestmark = pytest.mark.full
CLIENT = Path(__file__).with_name("http3_get.py")


@pytest.fixture
def credentials(tmp_path: Path) -> Path:
    """Readable to whoever the image's user is."""
    folder = tmp_path / "credentials"
    folder.mkdir()
    for name, content in certificate().items():
        (folder / name).write_bytes(content)
    return folder


@pytest.fixture
def edge_(stack: Stack, credentials: Path) -> Iterator[Outside]:
    """The image alone, on ports of its own: no stack is restarted for it."""
    if stack.engine != "compose":
        pytest.skip("of the image: the nginx pip brings has no HTTP/3")
    plain, secure = free_port(), free_port()
    ports = [f"{HOST}:{plain}:8080", f"{HOST}:{secure}:8443", f"{HOST}:{secure}:8443/udp"]
    argv = ["docker", "run", "--rm", "--detach", "--env", "HTTP3=1", "--env", f"HTTPS_PORT={secure}"]
    argv += [word for port in ports for word in ("--publish", port)]
    argv += ["--volume", f"{credentials}:/run/credentials:ro", f"{stack.environ['COMPOSE_PROJECT_NAME']}-nginx"]
    started = subprocess.run(argv, capture_output=True, text=True, check=True).stdout.strip()
    try:
        front = Outside((HOST, plain), (HOST, secure))
        until(lambda: answers(front))
        yield front
    finally:
        subprocess.run(["docker", "rm", "--force", started], capture_output=True)


def answers(front: Outside) -> bool:
    try:
        return tls.ask(front, "/healthz").status == 200
    except OSError:
        return False


def over_quic(front: Outside, path: str, host: str = "localhost") -> str:
    address, port = front.tls  # type: ignore[misc]
    argv = [sys.executable, str(CLIENT), address, str(port), host, path]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=30)
    return done.stdout or done.stderr.strip().splitlines()[-1]


def test_a_browser_is_told_of_http3_and_is_answered_there(edge_: Outside) -> None:
    invited = tls.ask(edge_, "/").headers["alt-svc"]
    answer = over_quic(edge_, "/").splitlines()

    assert invited == f'h3=":{edge_.tls[1]}"; ma=86400'  # type: ignore[index]
    assert ":status: 200" in answer
    assert "x-content-type-options: nosniff" in answer


def test_over_http_nobody_is_told(edge_: Outside) -> None:
    assert "alt-svc" not in edge_.ask("/").headers


def test_a_name_that_is_not_ours_gets_no_answer_there_either(edge_: Outside) -> None:
    assert ":status" not in over_quic(edge_, "/", host="evil.example")


def test_a_stack_that_has_not_turned_it_on_does_not_speak_of_it(stack: Stack) -> None:
    assert "alt-svc" not in tls.ask(Outside(stack.address, stack.tls_address), "/").headers
