"""A body that an application may heed and no key knows of: over HTTP/2 it may come unannounced."""

from collections.abc import Iterator

import httpx
import pytest

from deploy.ports import free_port
from tests.config.edge import HOST, Running
from tests.promises.cache.application import application, kept
from tests.promises.conftest import Mutated

CACHE = "templates/snippets/cache.conf.template"


def body() -> Iterator[bytes]:
    yield b"unannounced"


def holds(edge_: Running, service: str) -> None:
    path = f"/{service}/said"
    with application(edge_) as app, httpx.Client(http2=True, verify=False) as client:
        answer = client.request("GET", f"https://{HOST}:{edge_.tls[1]}{path}", content=body())  # type: ignore[index]
        assert (answer.http_version, answer.status_code, len(app.asked)) == ("HTTP/2", 200, 1)

        assert kept(edge_.ask(path, "X-Forwarded-Proto: https", host=f"{HOST}:{edge_.tls[1]}")) == "MISS"  # type: ignore[index]


@pytest.mark.parametrize("service", ["flask", "fastapi"])
def test_nobody_gets_the_answer_to_the_body_of_another(mutated: Mutated, service: str) -> None:
    with mutated(listen_tls=(f"{HOST}:{free_port()}",), trusted_proxies=(HOST,)) as edge_:
        holds(edge_, service)


@pytest.mark.full
@pytest.mark.parametrize(("service", "seen"), [("flask", "$content_length"), ("fastapi", "$proxy_internal_chunked")])
def test_an_answer_to_the_body_of_another_is_caught(mutated: Mutated, service: str, seen: str) -> None:
    words = {"listen_tls": (f"{HOST}:{free_port()}",), "trusted_proxies": (HOST,)}
    with mutated(CACHE, seen, "", **words) as edge_, pytest.raises(AssertionError):
        holds(edge_, service)
