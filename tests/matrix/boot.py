"""One pair as it runs in the stack: a replica that the launcher has started, behind a real nginx."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from deploy.ports import free_port
from deploy.variables import VARIABLES
from deploy.words import last_words
from loadtests.services import ONE_OF_EACH
from tests import wire
from tests.config import edge
from tests.contract import ROOT, SERVICES
from tests.matrix.plan import Pair

APPS = ROOT / "apps"
HOST = "127.0.0.1"
START_SECONDS = 20
GRACEFUL_TIMEOUT = 3  # one that holds its exit costs seconds, not half a minute
STOP_SECONDS = GRACEFUL_TIMEOUT + 2
MAX_UPLOAD = 2**30  # as in the stack
NOBODY = "postgresql://ponte:ponte@127.0.0.1:1/ponte"  # only what needs no database is asked for
ENTRIES = ONE_OF_EACH  # where what is no service of the stack comes in
REFUSED = 2  # the launcher's exit code for a sentence
SAID = 300  # characters of a reason


class Failed(Exception):
    """The pair does not come up; a sentence."""


@dataclass(frozen=True)
class Up:
    pair: Pair
    address: wire.Address  # the edge's
    prefix: str  # '/flask'
    replica: wire.Address
    process: subprocess.Popen[bytes]
    log: IO[bytes]

    @property
    def url(self) -> str:
        return f"http://{self.address[0]}:{self.address[1]}{self.prefix}"

    @property
    def direct(self) -> str:
        return f"http://{self.replica[0]}:{self.replica[1]}"

    @property
    def has_events(self) -> bool:
        """Those of a service come from the database, which is not there."""
        return self.pair.interface == "asgi" and self.pair.framework not in SERVICES


@contextmanager
def up(pair: Pair, nginx: Path) -> Iterator[Up]:
    """Raises Failed. Whatever happens within, nothing of it stays."""
    entry = pair.framework if pair.framework in SERVICES else ENTRIES[pair.interface]
    with tempfile.TemporaryDirectory(prefix="ponte-matrix-") as folder, started(pair) as (port, process, log):
        Path(folder).chmod(0o755)  # nginx's workers are another user when we are root
        answering(process, port, log)
        members = {entry: (f"{HOST}:{port}",)}
        with edge.running(Path(folder), nginx, upstreams=members, max_upload=MAX_UPLOAD) as front:
            yield Up(pair, front.address, f"/{entry}", (HOST, port), process, log)


@contextmanager
def started(pair: Pair) -> Iterator[tuple[int, subprocess.Popen[bytes], IO[bytes]]]:
    port = free_port()
    with tempfile.TemporaryFile() as log, tempfile.TemporaryDirectory(prefix="ponte-matrix-") as counters:
        process = subprocess.Popen(
            command(pair, port), env=environment(pair, counters), cwd=APPS,
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
        try:
            yield port, process, log
        finally:
            end(process)


def command(pair: Pair, port: int) -> list[str]:
    return [sys.executable, "-m", "serve", pair.framework, "--matrix", "--port", str(port)]


def environment(pair: Pair, counters: str) -> dict[str, str]:
    """What was set for a stack has no say here."""
    kept = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    return kept | {
        "PYTHONPATH": str(APPS), "SERVER": pair.server, "REPLICA": "matrix-1", "SECRET_KEY": "only for the matrix",
        "DATABASE_URL": NOBODY, "WEB_CONCURRENCY": "1", "GRACEFUL_TIMEOUT": str(GRACEFUL_TIMEOUT),
        "PROMETHEUS_MULTIPROC_DIR": counters,
    }  # fmt: skip


def answering(process: subprocess.Popen[bytes], port: int, log: IO[bytes]) -> None:
    with suppress(AssertionError):
        edge.until(lambda: process.poll() is not None or edge.answers((HOST, port)), START_SECONDS)
    if process.poll() == REFUSED:
        raise Failed(why(log))
    if process.poll() is not None:
        raise Failed(f"it ended at its start: {why(log)}")
    if not edge.answers((HOST, port)):
        raise Failed(f"it did not answer within {START_SECONDS} s: {why(log)}")


def why(log: IO[bytes]) -> str:
    """The error it named, or the last thing it said."""
    log.seek(0)
    lines = [line for line in log.read().decode(errors="replace").splitlines() if line.strip()]
    said = last_words(lines) or lines or ["it said nothing"]
    chosen = next((each for each in said if "Error" in each), said[-1])
    return " ".join(chosen.removeprefix("serve: ").split())[:SAID]


def end(process: subprocess.Popen[bytes]) -> None:
    """Asks it once; then the whole family, which has a session of its own, is killed."""
    if process.poll() is None:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(STOP_SECONDS)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
