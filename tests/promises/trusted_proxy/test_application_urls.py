"""The URLs that the four real applications make: over http, https, behind a load balancer, below their prefix."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest

from deploy.ports import free_port
from tests.config.edge import HOST as LOOPBACK
from tests.config.edge import Outside, Running, process, running
from tests.contract import NAMES, ROOT, SERVICES
from tests.promises.security_headers.clients import PROTOCOLS, asking
from tests.promises.trusted_proxy.test_trusted_proxy import CLIENT, FROM_CLIENT, HOP, PLAIN, SHOP, TLS, TRUSTING, ask
from tests.waiting import until

NO_DATABASE = f"postgresql://nobody@{LOOPBACK}:1/none"


def right_from_outside(client: httpx.Client, name: str) -> None:
    """What an application believes its URL to be is the one the client used."""
    base = str(client.base_url).rstrip("/")
    fields = client.get(f"/{name}/headers?a=1").json()
    assert f"{fields['scheme']}://{fields['host']}{fields['path']}" == f"{base}/{name}/headers"
    assert fields["root_path"] == f"/{name}"
    job = client.post(f"/{name}/jobs", json={"ms": 0})
    assert (job.status_code, str(job.url.join(job.headers["location"]))) == (
        202,
        f"{base}/{name}/jobs/{job.json()['id']}",
    )
    assert client.get(job.headers["location"]).status_code == 200
    slash = client.get(f"/{name}?a=1")
    assert (slash.status_code, str(slash.url.join(slash.headers["location"]))) == (308, f"{base}/{name}/?a=1")
    cookie = client.post(f"/{name}/session").headers["set-cookie"].lower()
    assert ("secure" in cookie) == base.startswith("https") and f"path=/{name}/" in cookie


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_urls_are_those_of_the_client(front: Outside, protocol: str) -> None:
    with asking(front, protocol) as client:
        for name in NAMES:
            right_from_outside(client, name)


@contextmanager
def application(name: str, folder: Path) -> Iterator[str]:
    """The real one, as the launcher starts it, without a database."""
    port, apps = free_port(), ROOT / "apps"
    environ = {**os.environ, "SERVICE": name, "REPLICA": name, "SECRET_KEY": "k" * 50, "DATABASE_URL": NO_DATABASE}
    environ |= {"PYTHONPATH": f"{apps}:{ROOT / SERVICES[name].folder}"}
    command = [sys.executable, "-m", "serve", name, "--port", str(port)]
    with process(command, folder / f"{name}.log", env=environ, cwd=apps, stdout=subprocess.DEVNULL):
        until(lambda: alive(port), 30)
        yield f"{LOOPBACK}:{port}"


def alive(port: int) -> bool:
    try:
        return httpx.get(f"http://{LOOPBACK}:{port}/healthz").status_code == 200
    except httpx.TransportError:
        return False


@pytest.fixture(scope="module")
def behind(nginx: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("behind")
    with ExitStack() as stack:
        members = {name: (stack.enter_context(application(name, folder)),) for name in NAMES}
        yield stack.enter_context(running(folder, nginx, upstreams=members, **TRUSTING))


@pytest.mark.full
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("said", "scheme"), [(TLS, "https"), (PLAIN, "http")])
def test_behind_a_load_balancer_they_are_those_of_its_client(
    behind: Running, name: str, said: str, scheme: str
) -> None:
    fields = ask(behind, f"/{name}/headers", f"X-Forwarded-For: 6.6.6.6, {CLIENT}, {HOP}", said).json
    cookie = behind.ask(f"/{name}/session", FROM_CLIENT, said, method="POST", host=SHOP).headers["set-cookie"].lower()

    assert (fields["client"], fields["scheme"], fields["host"]) == (CLIENT, scheme, SHOP)
    assert (fields["root_path"], fields["path"]) == (f"/{name}", f"/{name}/headers")
    assert ("secure" in cookie) == (scheme == "https")
    assert f"path=/{name}/" in cookie
