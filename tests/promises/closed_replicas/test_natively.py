"""Where the processes of a native stack listen, and what a replica believes: see promise.md."""

import ipaddress
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from deploy.ports import free_port
from tests import processes, wire
from tests.config.edge import process
from tests.contract import NAMES, ROOT
from tests.corpus import FORGED
from tests.engine import Stack
from tests.waiting import until

STRANGER = "127.0.0.2"
NOWHERE = {"DATABASE_URL": "postgresql://127.0.0.1:1/nobody", "SECRET_KEY": "x" * 50}


def only_loopback(pids: set[int]) -> None:
    listening = {address for pid in pids for address in listens(pid)}

    assert listening, "nobody listens: nothing was looked at"
    assert {each for each in listening if not ipaddress.ip_address(each[0]).is_loopback} == set()
    assert [own for own in own_addresses() for _, port in listening if processes.listens((own, port))] == []


def not_believed(replica: wire.Address, source: str) -> None:
    seen = headers_from(replica, source)

    believed = {"client": source, "scheme": "http", "host": "localhost", "root_path": "", "path": "/headers"}
    assert {name: seen[name] for name in believed} == believed


def listens(pid: int) -> Iterator[tuple[str, int]]:
    for each in psutil.Process(pid).net_connections("inet"):
        if each.status == psutil.CONN_LISTEN:
            yield each.laddr.ip, each.laddr.port


def own_addresses() -> list[str]:
    found = [each for addresses in psutil.net_if_addrs().values() for each in addresses]
    ipv4 = [each.address for each in found if each.family == socket.AF_INET]
    return [each for each in ipv4 if not ipaddress.ip_address(each).is_loopback]


def headers_from(replica: wire.Address, source: str) -> dict:
    lines = [f"{name}: {value}" for name, value in FORGED.items()]
    with socket.create_connection(replica, 5, source_address=(source, 0)) as sock:
        sock.sendall(wire.request("GET /headers HTTP/1.1", *lines))
        return json.loads(wire.read_all(sock).partition(b"\r\n\r\n")[2])


@pytest.fixture(scope="module")
def addresses(native: Stack) -> dict[str, wire.Address]:
    return {row["service"]: wire.address(row["address"]) for row in native.ps() if row["service"] in NAMES}


@pytest.fixture(params=NAMES)
def replica(request: pytest.FixtureRequest, addresses: dict[str, wire.Address]) -> wire.Address:
    return addresses[request.param]


def test_every_process_listens_on_this_machine_only(pids: set[int]) -> None:
    only_loopback(pids)


def test_forged_headers_straight_at_a_replica_are_not_believed(replica: wire.Address) -> None:
    not_believed(replica, STRANGER)


def test_from_the_edges_own_address_they_are(replica: wire.Address) -> None:
    with pytest.raises(AssertionError):
        not_believed(replica, "127.0.0.1")


@pytest.mark.full
def test_a_replica_on_every_address_is_caught(tmp_path: Path) -> None:
    port, apps = free_port(), ROOT / "apps"
    environ = {**os.environ, **NOWHERE, "PYTHONPATH": f"{apps}:{apps / 'fastapi'}"}
    command = [sys.executable, "-m", "serve", "fastapi", "--host", "0.0.0.0", "--port", str(port)]

    with process(command, tmp_path / "log", env=environ, stdout=subprocess.DEVNULL) as started:
        until(lambda: processes.listens(("127.0.0.1", port)), 20)
        with pytest.raises(AssertionError):
            only_loopback(processes.family(started.pid))
