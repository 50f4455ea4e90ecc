"""docs/request.md: one request from the socket to the callable and back, as it is on this machine."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import wire
from tests.config.edge import Running, running
from tests.contract import ROOT
from tests.servers import Lone, replica
from tests.waiting import until

PAGE = (ROOT / "docs" / "request.md").read_text()
REQUEST = wire.request(
    "GET /{service}/headers?lang=pt HTTP/1.1",
    "User-Agent: curl/8.14",
    "X-Forwarded-For: 203.0.113.9",
    host="localhost:8080",
)
BARE = {"flask": ("bare-wsgi", "gunicorn", "environ"), "fastapi": ("bare-asgi", "uvicorn", "scope")}
# What differs from run to run, and what stands on the page instead.
VARIES = (
    (r"\b[0-9a-f]{32}\b", "4d0f6f5a2c1b4f1e8a7d9c3b2e1f0a9d"),
    (r"0x[0-9a-f]{6,}", "0x7f00"),
    (r"<socket\.socket [^>]+>", "<socket.socket ...>"),
    (r"lone-1/\d+", "lone-1/4711"),
    (r"dur=[\d.]+", "dur=0.4"),
    (r"Date: [^\r\n]+", "Date: Sun, 29 Nov 2026 10:00:00 GMT"),
    (r"gunicorn/[\d.]+", "gunicorn/27"),
    (r'("REMOTE_PORT": )"\d+"', r'\1"40001"'),
)


@pytest.fixture(scope="module")
def lone() -> Iterator[dict[str, Lone]]:
    quiet = {"DATABASE_URL": "", "SECRET_KEY": "", "LOG_LEVEL": "debug"}
    with replica(*BARE["flask"][:2], **quiet) as wsgi, replica(*BARE["fastapi"][:2], **quiet) as asgi:
        yield {"flask": wsgi, "fastapi": asgi}


@pytest.fixture(scope="module")
def edge(nginx: Path, lone: dict[str, Lone], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """With the bare applications where the services are."""
    members = {service: (f"127.0.0.1:{each.port}",) for service, each in lone.items()}
    with running(tmp_path_factory.mktemp("edge"), nginx, upstreams=members) as found:
        yield found


def asked(service: str) -> bytes:
    return REQUEST.replace(b"{service}", service.encode())


def steady(text: str, ports: dict[int, str]) -> str:
    for pattern, instead in VARIES:
        text = re.sub(pattern, instead, text)
    for port, instead in ports.items():
        text = re.sub(rf"\b{port}\b", instead, text)
    return text.strip()


def ports(edge: Running, lone: dict[str, Lone]) -> dict[int, str]:
    return {edge.address[1]: "8080", lone["flask"].port: "8001", lone["fastapi"].port: "8004"}


def printed(given: dict[str, object]) -> str:
    """A line for each of them."""
    return "{\n" + ",\n".join(f"  {json.dumps(name)}: {json.dumps(each)}" for name, each in given.items()) + "\n}"


def is_shown(text: str) -> None:
    assert f"\n{text}\n```" in PAGE, f"docs/request.md should show\n{text}"


def test_the_files_that_the_page_names_are_there() -> None:
    assert all((ROOT / name).exists() for name in re.findall(r"`((?:apps|nginx|tests)/[\w./-]+)`", PAGE))


def test_the_page_shows_what_the_client_sends() -> None:
    is_shown(asked("flask").decode().replace("\r\n", "\n").strip())


def test_the_page_shows_what_the_edge_sends(front: Running) -> None:
    answer = json.loads(front.raw(asked("flask")).partition(b"\r\n\r\n")[2])
    lines = [f"{answer['method']} {answer['path']} HTTP/1.1", *(": ".join(each) for each in answer["headers"])]

    is_shown(steady("\n".join(lines), {front.address[1]: "8080"}))


@pytest.mark.parametrize("service", BARE)
def test_the_page_shows_what_the_callable_is_given(edge: Running, lone: dict[str, Lone], service: str) -> None:
    edge.raw(asked(service))
    what = BARE[service][2]
    given = until(
        lambda: next((each[what] for each in lone[service].lines() if "/headers" in str(each.get(what))), None)
    )

    is_shown(steady(printed(given), ports(edge, lone)))


def test_the_page_shows_what_comes_back(edge: Running, lone: dict[str, Lone]) -> None:
    head = edge.raw(asked("flask")).partition(b"\r\n\r\n")[0].decode().replace("\r\n", "\n")

    is_shown(steady(head, ports(edge, lone)))
