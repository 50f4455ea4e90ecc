"""One replica on its own, as the launcher starts it: no edge, no database, a port of its own."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any

from deploy.ports import free_port
from tests import logs, wire
from tests.contract import ROOT, SERVICES, table
from tests.processes import listens
from tests.waiting import until


def runs_here(about: dict[str, Any]) -> bool:
    """What needs a program of its own, Apache, refuses root."""
    return about["installed"] and not about["matrix_only"] and not (about["program"] and os.geteuid() == 0)


# Every service with every server that fits: a new line in the launcher's table is tested by the existing tests.
PAIRS = [
    (service.name, server)
    for service in SERVICES.values()
    for server, about in table()["servers"].items()
    if service.interface in about["interfaces"] and runs_here(about)
]


@dataclass(frozen=True)
class Lone:
    service: str
    server: str
    port: int
    process: subprocess.Popen[bytes]
    log: IO[bytes]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def lines(self) -> list[dict[str, Any]]:
        """What it logged, apart from what the launcher said before."""
        self.log.seek(0)
        return logs.objects(self.log.read().decode(errors="replace"))


@contextmanager
def replica(service: str, server: str, **environ: str) -> Iterator[Lone]:
    settings = {
        "PYTHONPATH": str(ROOT / "apps"),
        "SERVER": server,
        "REPLICA": "lone-1",
        "SECRET_KEY": "only for tests",
        "WEB_CONCURRENCY": "1",
        "DATABASE_URL": "postgresql://ponte:ponte@127.0.0.1:1/ponte",
    }
    port = free_port()
    command = [sys.executable, "-m", "serve", service, "--port", str(port)]
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, env={**os.environ, **settings, **environ}, stdout=log, stderr=log)
        lone = Lone(service, server, port, process, log)
        try:
            until(lambda: process.poll() is not None or healthy(lone), seconds=20)
            assert process.poll() is None, lone.lines()
            yield lone
        finally:
            stop(process)


def stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()


def healthy(lone: Lone) -> bool:
    request = wire.request("GET /healthz HTTP/1.1")
    return listens(("127.0.0.1", lone.port)) and wire.statuses(wire.exchange(("127.0.0.1", lone.port), request)) == [
        200
    ]
