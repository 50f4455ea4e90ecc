"""One machine and one database for all tests of this folder."""

import signal
import subprocess
from collections.abc import Iterator

import pytest

from deploy.native import postgres
from deploy.native.layout import Layout
from deploy.native.secrets import database_url
from deploy.ports import free_port
from deploy.settings import build
from tests.promises.systemd.machine import Machine, lacking, machine
from tests.waiting import until


@pytest.fixture(scope="module")
def booted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    if reason := lacking():
        pytest.skip(reason)
    with machine(tmp_path_factory.mktemp("machine")) as found:
        yield found


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a PostgreSQL outside the machine, as a server's database often is."""
    run, port = tmp_path_factory.mktemp("database"), free_port()
    layout = Layout(run, run)
    layout.make()
    found = postgres.locate(build({}, {}, run, run), layout.data)
    password = postgres.prepare(found, layout)
    program = postgres.program(found, layout, port)
    with program.log.open("wb") as log:
        server = subprocess.Popen([*program.wrap, *program.argv], stdout=log, stderr=log, env=postgres.clean())
    try:
        until(lambda: postgres.ready(found, port), 30)
        yield database_url(password, port)
    finally:
        server.send_signal(signal.Signals[f"SIG{program.stop_signal}"])
        server.wait(postgres.STOP_SECONDS)
