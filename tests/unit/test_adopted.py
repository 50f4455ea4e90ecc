"""An application that was written elsewhere: its probes are answered for it, and it gets everything else."""

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from core import adopted, readiness, stopping
from core.replica import Replica
from core.settings import Settings

WSGI = Replica(Settings.from_env({}, "flask"))
ASGI = Replica(Settings.from_env({}, "fastapi"))
OWN = b"its own"
Answer = tuple[int, Any]


def wsgi_app(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [OWN]


async def asgi_app(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": OWN})


def over_wsgi(path: str, method: str = "GET", check: adopted.Check | None = None) -> Answer:
    statuses: list[str] = []
    environ = {"PATH_INFO": path, "REQUEST_METHOD": method, "wsgi.url_scheme": "http", "REMOTE_ADDR": "127.0.0.1"}
    body = adopted.adopt_wsgi(wsgi_app, WSGI, check)(environ, lambda status, headers: statuses.append(status))
    return int(statuses[0][:3]), read(b"".join(body))


def over_asgi(path: str, method: str = "GET", check: adopted.Check | None = None) -> Answer:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "http.request"}

    headers = [(b"x-forwarded-prefix", b"/fastapi")]
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "scheme": "http",
        "client": ("127.0.0.1", 1),
        "headers": headers,
    }
    asyncio.run(adopted.adopt_asgi(asgi_app, ASGI, check)(scope, receive, send))
    return sent[0]["status"], read(sent[1]["body"])


def read(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return body


@pytest.fixture(params=[over_wsgi, over_asgi])
def ask(request: pytest.FixtureRequest) -> Callable[..., Answer]:
    return request.param


@pytest.fixture
def told_to_stop(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(stopping, "_stopping", True)
    yield


def broken() -> None:
    raise ConnectionError("nobody listens")


def test_everything_but_probes_is_its_own(ask: Callable[..., Answer]):
    assert [ask(path) for path in ("/", "/healthz/", "/readyz.txt", "/ws/echo")] == [(200, OWN)] * 4


def test_probes_are_answered_for_it(ask: Callable[..., Answer]):
    assert ask("/healthz") == (200, b"ok")
    assert ask("/readyz") == (200, {})
    assert ask("/readyz", check=lambda: None) == (200, {"database": "ok"})


def test_what_a_check_raises_is_why_it_is_not_ready(ask: Callable[..., Answer]):
    status, body = ask("/readyz", check=broken)

    assert status == 503
    assert body["detail"] == "database: the check fails (nobody listens)."
    assert ask("/healthz", check=broken) == (200, b"ok")


def test_a_check_without_a_reason_is_called_by_its_kind(ask: Callable[..., Answer]):
    def silent() -> None:
        raise TimeoutError

    assert ask("/readyz", check=silent)[1]["detail"] == "database: the check fails (TimeoutError)."


def test_a_check_that_hangs_is_an_answer_too(ask: Callable[..., Answer], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(readiness, "DECISION_SECONDS", 0.1)
    end = threading.Event()

    try:
        assert ask("/readyz", check=lambda: end.wait(0.5))[0] == 503
    finally:
        end.set()


def test_a_replica_that_stops_says_so_without_a_check_and_stays_alive(ask: Callable[..., Answer], told_to_stop: None):
    assert ask("/readyz")[0] == ask("/readyz", check=broken)[0] == 503
    assert ask("/healthz") == (200, b"ok")


def test_a_check_under_asgi_may_be_a_coroutine_and_a_plain_one_holds_up_nobody():
    async def coroutine() -> None:
        raise ConnectionError("nobody listens")

    assert over_asgi("/readyz", check=coroutine)[0] == 503
    waited = []

    async def together() -> None:
        plain = adopted.adopt_asgi(asgi_app, ASGI, lambda: time.sleep(0.3))
        scope = {"type": "http", "method": "GET", "path": "/readyz", "scheme": "http", "client": None, "headers": []}

        async def send(message: Any) -> None: ...

        asking = asyncio.ensure_future(plain(scope, send, send))  # type: ignore[arg-type]
        while not asking.done():
            waited.append(await asyncio.sleep(0.01))

    asyncio.run(together())
    assert len(waited) > 5


def test_probes_are_only_read(ask: Callable[..., Answer]):
    assert ask("/healthz", "POST")[0] == ask("/readyz", "DELETE")[0] == 405
    assert ask("/", "POST") == (200, OWN)
