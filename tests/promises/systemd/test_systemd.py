"""The stack on a Debian whose PID 1 is systemd: see promise.md. In the order of a server's life."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from deploy.ports import LOOPBACK, free
from loadtests.oracle import Judgement, Load
from tests.contract import SERVICES
from tests.promises.systemd.machine import CHECKOUT, Machine
from tests.waiting import until

pytestmark = [pytest.mark.full, pytest.mark.timeout(600)]
RATE = 50
PREFIX = "/opt/ponte"
SECRET = "ab34cd56" * 4


@dataclass
class Server:
    machine: Machine
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def served_by(self, service: str) -> set[str]:
        return {httpx.get(f"{self.url}/{service}/").json()["replica"] for _ in range(8)}

    def ready(self) -> bool:
        try:
            return all(httpx.get(f"{self.url}/{name}/readyz").status_code == 200 for name in SERVICES)
        except httpx.TransportError:
            return False

    def whole(self) -> bool:
        return self.ready() and all(len(self.served_by(name)) == 2 for name in SERVICES)

    @contextmanager
    def loaded(self, folder: Path, *services: str) -> Iterator[list[Judgement]]:
        """One item when the block has ended: what was lost."""
        verdicts: list[Judgement] = []
        tls = f"https://127.0.0.1:{self.port + 363}"
        log = self.machine.path(f"{PREFIX}/logs/access.log")
        with log.open() as lines:
            lines.seek(0, os.SEEK_END)
            with Load(self.url, tls, services or tuple(SERVICES), RATE, 0, folder=folder) as load:
                yield verdicts
            verdicts.append(load.verdict(lines))


@pytest.fixture(scope="module")
def server(booted: Machine, database: str) -> Server:
    port = next(each for each in range(980, 600, -1) if free(LOOPBACK, each))  # for a user who is not root, too
    found = Server(booted, port)
    booted.path(f"{CHECKOUT}/.env").write_text(f"HTTP_PORT={port}\nHTTPS_PORT={port + 363}\nSECRET_KEY={SECRET}\n")
    install(booted, DATABASE_URL=database)
    until(found.whole)
    return found


def install(machine: Machine, *words: str, **environ: str) -> str:
    return machine.do(f"{CHECKOUT}/deploy/systemd/install", *words, **environ)


def snapshot(machine: Machine) -> dict[str, int]:
    found = (path for name in ("etc", "opt", "srv", "var/lib") for path in machine.path(name).rglob("*"))
    return {str(path): path.lstat().st_mtime_ns for path in found if path.exists()}


def test_a_dry_run_says_what_it_would_do_and_changes_nothing(booted: Machine):
    before = snapshot(booted)
    done = booted.run(f"{CHECKOUT}/deploy/systemd/install", "--dry-run", DATABASE_URL="postgresql://a:b@127.0.0.1/c")

    assert done.returncode == 0
    assert {line.split()[1] for line in done.stderr.splitlines()} == {"would"}
    assert f"would write {PREFIX}/secrets/database_url" in done.stderr and "a:b" not in done.stderr
    assert snapshot(booted) == before


def test_every_application_serves_from_two_instances(server: Server):
    assert {name: server.served_by(name) for name in SERVICES} == {
        "flask": {"flask-11001", "flask-11002"},
        "django": {"django-12001", "django-12002"},
        "django-asgi": {"django-asgi-13001", "django-asgi-13002"},
        "fastapi": {"fastapi-14001", "fastapi-14002"},
    }
    assert httpx.get(f"{server.url}/django/query").status_code == 200
    assert server.machine.run("systemctl", "--failed", "--quiet").stdout == ""


def test_another_install_changes_nothing_that_serves(server: Server):
    before = server.machine.do("systemctl", "show", "--property=MainPID", "ponte-*@*", "ponte-nginx")
    install(server.machine)

    assert server.machine.do("systemctl", "show", "--property=MainPID", "ponte-*@*", "ponte-nginx") == before


def test_nobody_but_its_own_unit_reads_a_secret(server: Server):
    shown = server.machine.do("systemctl", "show", "ponte-flask@11001")
    pid = server.machine.do("systemctl", "show", "--property=MainPID", "--value", "ponte-flask@11001").strip()
    environ = server.machine.do("cat", f"/proc/{pid}/environ")

    assert SECRET not in shown + environ and "postgresql://" not in shown + environ
    assert "DATABASE_URL_FILE=/run/credentials/ponte-flask@11001.service/database_url" in environ
    assert server.machine.run("setpriv", "--reuid=ponte", "cat", f"{PREFIX}/secrets/secret_key").returncode


def test_a_release_and_a_rollback_lose_nothing(server: Server, tmp_path: Path):
    with server.machine.path(f"{CHECKOUT}/apps/core/work.py").open("a") as file:
        file.write("# a second release\n")
    with server.loaded(tmp_path) as verdicts:
        released = server.machine.release("RELEASE=second")
        seen = {name: server.served_by(name) for name in SERVICES}
        back = server.machine.release("rollback")

    assert (released.returncode, back.returncode) == (0, 0), released.stderr + back.stderr
    assert seen["fastapi"] == {"fastapi-14101", "fastapi-14102"}
    assert server.served_by("fastapi") == {"fastapi-14001", "fastapi-14002"}
    assert verdicts[0].clean, [verdicts[0].sentence(), *verdicts[0].losses]


def test_restarting_units_past_the_release_is_seen_to_lose_requests(server: Server, tmp_path: Path):
    """Broken on purpose: the load does see what the order is for."""
    with server.loaded(tmp_path, "fastapi") as verdicts:
        server.machine.do("systemctl", "restart", "ponte-fastapi@*")
        until(server.whole, 30)

    assert not verdicts[0].clean


def test_a_release_that_does_not_start_leaves_the_old_one_serving(server: Server):
    broken = server.machine.path(f"{CHECKOUT}/apps/flask/app.py")
    text = broken.read_text()
    broken.write_text(f"{text}\nraise SystemExit('broken on purpose')\n")
    done = server.machine.release()
    broken.write_text(text)

    assert done.returncode == 1
    assert "rolled back" in done.stderr and "flask-11101 | " in done.stderr
    assert server.whole()
    assert server.machine.run("systemctl", "--failed", "--quiet").stdout == ""


def test_a_killed_replica_comes_back_by_itself(server: Server):
    unit = "ponte-flask@11001"
    server.machine.do("systemctl", "kill", "--signal=KILL", "--kill-who=main", unit)

    until(lambda: server.machine.do("systemctl", "show", "--property=NRestarts", "--value", unit).strip() == "1")
    until(server.whole, 30)


def test_the_timers_units_do_their_work(server: Server):
    for unit in ("ponte-backup", "ponte-certificates"):
        server.machine.do("systemctl", "start", unit)
    backups = [path.suffix for path in server.machine.path(f"{PREFIX}/backups").iterdir()]
    server.machine.path(f"{PREFIX}/credentials/names").unlink()  # as if its days were over: a new one is made
    server.machine.do("systemctl", "start", "ponte-certificates")

    assert sorted(backups) == [".dump", ".json", ".sha256"]
    said = server.machine.do("journalctl", "--output=cat", "--unit=ponte-certificates")
    assert said.index("the certificate is as it was") < said.index("nginx has the new certificate")
    timers = server.machine.do("systemctl", "list-timers", "ponte-*")
    assert "ponte-backup.timer" in timers and "ponte-certificates.timer" in timers


def test_a_reboot_starts_what_ran_without_us(server: Server):
    assert server.machine.release("scale", "SERVICE=flask", "REPLICAS=1").returncode == 0
    server.machine.off()
    server.machine.boot()

    until(server.ready, 60)
    assert server.served_by("flask") == {"flask-11001"}


def test_down_leaves_nothing_that_runs_or_would_start(server: Server):
    assert server.machine.release("down").returncode == 0

    assert server.machine.do("systemctl", "list-units", "--quiet", "ponte*.service") == ""
    assert not server.machine.path("/etc/systemd/system/ponte.target.wants").exists()
