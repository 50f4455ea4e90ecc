"""The middleware of every WSGI application, written to the interface alone (PEP 3333)."""

import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from http import HTTPStatus
from typing import Any

from core import logs, metrics, params, stopping, work
from core.errors import JSON_TYPE, Problem, not_allowed
from core.forwarded import Trust, id_of
from core.replica import Replica

App = Callable[..., Iterable[bytes]]
Header = tuple[str, str]
Headers = list[Header]


class Middleware:
    """Applies the edge's headers; adds X-Served-By, X-Request-ID and Server-Timing; measures; answers /metrics."""

    def __init__(self, app: App, replica: Replica) -> None:
        self.app = app
        self.replica = replica
        self.trust = Trust(replica.settings.forwarded_allow_ips)
        stopping.watch()

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        request = Request(environ, self.replica)
        request.apply(self.trust)

        def start(status: str, headers: Headers, exc_info: Any = None) -> Any:
            request.status = status[:3]
            return start_response(status, headers + request.headers(), *([exc_info] if exc_info else []))

        app = metrics_page if environ["PATH_INFO"] == "/metrics" else self.app
        return Body(app(environ, start), request)


class Request:
    def __init__(self, environ: dict[str, Any], replica: Replica) -> None:
        self.environ = environ
        self.replica = replica
        self.started = time.perf_counter()
        self.status = "500"

    def apply(self, trust: Trust) -> None:
        environ = self.environ
        environ["PATH_INFO"] = environ.get("PATH_INFO") or "/"
        self.path = environ["PATH_INFO"]
        forwarded = trust.read(environ.get("REMOTE_ADDR"), lambda name: environ.get(key(name)))
        environ["SCRIPT_NAME"] = forwarded.prefix
        environ["REMOTE_ADDR"] = forwarded.client or environ.get("REMOTE_ADDR", "")
        environ["HTTP_HOST"] = forwarded.host or environ.get("HTTP_HOST", "")
        environ["wsgi.url_scheme"] = forwarded.scheme or environ["wsgi.url_scheme"]
        self.id = id_of(forwarded)
        logs.request_id.set(self.id)

    def headers(self) -> Headers:
        return list(self.replica.headers(self.id, self.seconds()).items())

    def seconds(self) -> float:
        return time.perf_counter() - self.started

    def done(self) -> None:
        seconds = self.seconds()
        method = self.environ["REQUEST_METHOD"]
        metrics.observe(method, self.path, self.status, seconds)
        if self.replica.settings.access_log:
            path = self.environ["SCRIPT_NAME"] + self.path
            fields = {"method": method, "path": path, "status": int(self.status), "seconds": round(seconds, 6)}
            logs.access.info("%s %s %s", method, path, self.status, extra={"fields": fields})


class Body:
    """The body of an answer; HEAD sends none, and does not make it either."""

    def __init__(self, body: Iterable[bytes], request: Request) -> None:
        self.body = body
        self.request = request

    def __iter__(self) -> Iterator[bytes]:
        return iter(()) if self.request.environ["REQUEST_METHOD"] == "HEAD" else iter(self.body)

    def close(self) -> None:
        try:
            getattr(self.body, "close", lambda: None)()
        finally:
            self.request.done()


def key(header: str) -> str:
    return "HTTP_" + header.upper().replace("-", "_")


def metrics_page(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
        return answer_problem(start_response, not_allowed(("GET",)))
    return answer(start_response, 200, metrics.CONTENT_TYPE, metrics.page())


def answer(
    start_response: Callable[..., Any], status: int, content_type: str, body: bytes, headers: Iterable[Header] = ()
) -> Iterable[bytes]:
    pairs = [("Content-Type", content_type), ("Content-Length", str(len(body))), *headers]
    start_response(f"{status} {HTTPStatus(status).phrase}", pairs)
    return [body]


def answer_problem(start_response: Callable[..., Any], problem: Problem) -> Iterable[bytes]:
    body = json.dumps(problem.body).encode()
    return answer(start_response, problem.status, JSON_TYPE, body, problem.headers.items())


def query(environ: dict[str, Any]) -> params.Query:
    return params.Query(environ.get("QUERY_STRING", ""))


def blocks(environ: dict[str, Any], limit: int) -> Iterator[bytes]:
    """The body of a request, refused by its length before any of it is read; to its end where the server marks that."""
    length = environ.get("CONTENT_LENGTH") or "0"
    params.check_length(length, limit)
    left = sys.maxsize if environ.get("wsgi.input_terminated") else int(length)
    while left and (block := environ["wsgi.input"].read(min(left, work.BLOCK_BYTES))):
        left -= len(block)
        yield block


def request_headers(environ: dict[str, Any]) -> dict[str, str]:
    """Headers of a request, names in lower case."""
    names = {name[5:]: value for name, value in environ.items() if name.startswith("HTTP_")}
    names |= {name: environ[name] for name in ("CONTENT_TYPE", "CONTENT_LENGTH") if environ.get(name)}
    return {name.lower().replace("_", "-"): value for name, value in names.items()}


def seen(environ: dict[str, Any]) -> dict[str, Any]:
    """The request as the application sees it: the answer of GET /headers."""
    return {
        "method": environ["REQUEST_METHOD"],
        "path": environ["SCRIPT_NAME"] + environ["PATH_INFO"],
        "root_path": environ["SCRIPT_NAME"],
        "scheme": environ["wsgi.url_scheme"],
        "host": environ["HTTP_HOST"],
        "client": environ["REMOTE_ADDR"],
        "headers": request_headers(environ),
    }
