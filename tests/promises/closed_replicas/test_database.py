"""The database of a native stack: reached over TCP on this machine, and with a password. See promise.md."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import psutil
import psycopg
import pytest

from deploy.native import postgres, user
from deploy.native.layout import Layout
from deploy.ports import free_port
from tests import wire
from tests.config.edge import process
from tests.contract import ROOT
from tests.engine import Stack
from tests.promises.closed_replicas.test_natively import listens
from tests.waiting import until

PG_BIN = SimpleNamespace(pg_bin=os.environ.get("PG_BIN", ""))
PASSWORDS = ("", "ponte", "postgres", "wrong")


def asks_for_a_password(address: wire.Address) -> None:
    for role in ("ponte", "postgres", "root"):
        for password in PASSWORDS:
            with pytest.raises(psycopg.OperationalError, match=r"password|pg_hba"):
                psycopg.connect(said(address, role, password), connect_timeout=5)


def said(address: wire.Address, role: str, password: str) -> str:
    """(!) A password file of the developer's would answer for us."""
    words = {"host": address[0], "port": address[1], "user": role, "dbname": "postgres", "passfile": os.devnull}
    return psycopg.conninfo.make_conninfo(**words, **({"password": password} if password else {}))


@pytest.fixture
def database(native: Stack, pids: set[int]) -> wire.Address:
    servers = [pid for pid in pids if psutil.Process(pid).name() == "postgres"]
    (address,) = {address for pid in servers for address in listens(pid)}
    return address


def test_the_database_asks_for_a_password(database: wire.Address) -> None:
    asks_for_a_password(database)


def test_the_database_has_no_socket_in_the_file_system(pids: set[int]) -> None:
    servers = [pid for pid in pids if psutil.Process(pid).name() == "postgres"]

    assert [each.laddr for pid in servers for each in psutil.Process(pid).net_connections("unix") if each.laddr] == []


@contextmanager
def database_of(access: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[wire.Address]:
    """PostgreSQL as the native engine starts it, with other lines in pg_hba.conf."""
    monkeypatch.setattr(postgres, "ACCESS", access)
    found, layout, port = postgres.locate(PG_BIN, folder / "postgres"), Layout(ROOT, folder), free_port()
    layout.make()
    postgres.prepare(found, layout)
    program = postgres.program(found, layout, port)
    with process([*user.wrap(layout.data), *program.argv], folder / "log", stdout=subprocess.DEVNULL):
        until(lambda: postgres.ready(found, port), 20)
        yield "127.0.0.1", port


@pytest.mark.full
def test_a_database_that_trusts_is_caught(native: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with database_of(postgres.ACCESS, tmp_path, monkeypatch) as address:
        asks_for_a_password(address)
    trusting = postgres.ACCESS.replace("scram-sha-256", "trust")
    with database_of(trusting, tmp_path / "trusting", monkeypatch) as address, pytest.raises(pytest.fail.Exception):
        asks_for_a_password(address)
