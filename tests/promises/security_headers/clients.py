"""An edge that can give every answer of cases.py, and clients that ask it over each protocol."""

from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from deploy.ports import free_port
from tests.config.edge import HOST as LOOPBACK
from tests.config.edge import Outside, Running
from tests.promises.security_headers.cases import CASES, HOST, Case

EDGE = {
    "hsts": True,
    "server_names": ("localhost", LOOPBACK, HOST),
    "max_upload": 1000,
    "rate_limit": 1,
    "trusted_proxies": (LOOPBACK,),
    "limit_exempt": (LOOPBACK,),
    "password": True,
}
PROTOCOLS = {"HTTP/1.1": ("http", False), "HTTP/1.1 over TLS": ("https", False), "HTTP/2": ("https", True)}


@contextmanager
def asking(edge_: Outside, protocol: str) -> Iterator[httpx.Client]:
    scheme, http2 = PROTOCOLS[protocol]
    host, port = edge_.tls if scheme == "https" else edge_.address  # type: ignore[misc]
    plain = {"Accept-Encoding": "identity"}  # what is compressed on its way has no parts
    url = f"{scheme}://{host}:{port}"
    with httpx.Client(base_url=url, http2=http2, verify=False, timeout=10, headers=plain) as client:
        yield client


def ask(client: httpx.Client, case: Case, host: str = HOST) -> httpx.Response:
    for _ in range(8 if case.status == 429 else 1):
        answer = client.request(case.method, case.path, headers=[("Host", host), *case.headers], content=case.body)
    return answer


def prepare(edge_: Running) -> None:
    for path in (edge_.settings.reports / "run" / "index.html", edge_.settings.static / "django" / "a.css"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("a{}" * 500)
    (edge_.settings.credentials / "users").write_text("ada:{PLAIN}secret\n")


def cases(edge_: Running) -> list[tuple[str, Case]]:
    counted = "max_headers" not in edge_.settings.nginx.lacks()
    return [(name, case) for name, case in CASES.items() if counted or name != "many headers"]


@pytest.fixture
def listening(mutated):
    """`with listening("file", "good", "bad") as edge_:`"""
    return lambda *broken: mutated(*broken, listen_tls=(f"{LOOPBACK}:{free_port()}",), **EDGE)
