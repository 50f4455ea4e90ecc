"""A real nginx on a free port, in front of replicas that repeat what they were sent."""

import json
import os
import runpy
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import groupby
from pathlib import Path
from typing import Any

from deploy import edge
from deploy.ports import free_port
from tests import logs, wire
from tests.waiting import until

HOST = "127.0.0.1"
CREDENTIALS = runpy.run_path(str(edge.SOURCE / "credentials.py"))


class Repeat(BaseHTTPRequestHandler):
    """Answers with the request; /reset, /hang, /status and /drip misbehave on purpose."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else every second answer on a kept connection waits 40 ms for an ACK
    server: "Replica"

    def handle_any(self) -> None:
        self.server.requests.append((self.command, self.path))
        action = getattr(self, "at_" + self.path.split("?")[0].strip("/").replace("/", "_"), None)
        body = self.read_body()
        action() if action else self.repeat(body)

    do_GET = do_POST = do_PUT = do_HEAD = do_PROPFIND = handle_any  # noqa: N815 (the names http.server looks for)

    def read_body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def repeat(self, body: bytes) -> None:
        seen = {"method": self.command, "path": self.path, "headers": self.headers.items(), "bytes": len(body)}
        self.answer(200, json.dumps(seen | {"replica": self.server.name}).encode())

    def answer(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"X-Request-ID": self.headers.get("X-Request-ID", "none"), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def at_reset(self) -> None:
        self.close_connection = True  # nothing was answered: nginx sees the connection end

    def at_hang(self) -> None:
        self.server.released.wait(10)
        self.close_connection = True

    def at_problem(self) -> None:
        self.answer(503, b'{"error":"mine"}', Content_Type="application/json")

    def at_drip(self) -> None:
        """The first half at once, the second only when the test has seen the first."""
        self.send_response(200)
        self.send_header("X-Accel-Buffering", "no")
        self.send_header("Content-Type", "text/plain")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.write(b"6\r\nfirst\n\r\n")
        self.server.released.wait(10)
        self.wfile.write(b"7\r\nsecond\n\r\n0\r\n\r\n")

    def at_ws_tunnel(self) -> None:
        self.send_response(101)
        self.send_header("X-Request-ID", self.headers["X-Request-ID"])
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "upgrade")
        self.end_headers()
        self.wfile.write(self.rfile.readline())
        self.close_connection = True

    def at_failure(self) -> None:
        self.answer(500, b'{"error":"mine"}', Content_Type="application/json")

    def at_own_headers(self) -> None:
        """Of a framework that protects its pages itself and likes to be known."""
        own = {"X_Frame_Options": "DENY", "X_Content_Type_Options": "nosniff", "Referrer_Policy": "same-origin"}
        own |= {"Cross_Origin_Opener_Policy": "unsafe-none", "Permissions_Policy": "camera=(self)"}
        told = {"X_Powered_By": "PHP/5.2", "Strict_Transport_Security": "max-age=1", "Content_Security_Policy": "mine"}
        self.answer(200, b"mine", **own, **told)

    def at_accel(self) -> None:
        self.answer(200, b"mine", X_Accel_Redirect="/reports/secret.txt")

    def at_check(self) -> None:
        """A service that says who a member is: by a cookie."""
        member = self.headers.get("Cookie", "").removeprefix("member=")
        known = {"ada": 204, "banned": 403, "crash": 500}.get(member, 401)
        self.answer(known, b"", X_User=member, WWW_Authenticate='Form realm="members"')

    def at_said(self) -> None:
        """Whatever a test wants to be answered now."""
        self.server.said(self)

    at_poll = at_said

    def log_message(self, *_: object) -> None: ...


class Replica(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128  # http.server's own 5 would drop what comes at one time

    def __init__(self, name: str):
        super().__init__((HOST, 0), Repeat)
        self.name = name
        self.requests: list[tuple[str, str]] = []
        self.connections = 0
        self.released = threading.Event()
        self.said: Callable[[Repeat], None] = lambda request: request.repeat(b"")

    def get_request(self):  # type: ignore[no-untyped-def]
        self.connections += 1
        return super().get_request()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """An edge that hung up is no news: promises that attack it would fill the log with tracebacks."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)

    @property
    def address(self) -> str:
        return f"{HOST}:{self.server_address[1]}"


STUBS = ("flask-1", "flask-2", "fastapi-1", "fastapi-2")


def members(stubs: Iterable[Replica]) -> dict[str, tuple[str, ...]]:
    """Service -> where its stubs listen, which are named as replicas are."""
    by_service = groupby(stubs, lambda each: each.name.rpartition("-")[0])
    return {service: tuple(each.address for each in group) for service, group in by_service}


@contextmanager
def replicas(*names: str) -> Iterator[list[Replica]]:
    started = [Replica(name) for name in names]
    for each in started:
        threading.Thread(target=each.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield started
    finally:
        for each in started:
            each.released.set()
            each.shutdown()
            each.server_close()


@dataclass
class Outside:
    """An edge as a client meets it: a real stack's, or one of a test's own (Running)."""

    address: wire.Address
    tls: wire.Address | None = None

    def raw(self, request: bytes, seconds: float = wire.SECONDS) -> bytes:
        return wire.exchange(self.address, request, seconds)

    def ask(self, path: str, *lines: str, method: str = "GET", body: bytes = b"", host: str = "localhost") -> "Answer":
        length = [f"Content-Length: {len(body)}"] if body else []
        return Answer(self.raw(wire.request(f"{method} {path} HTTP/1.1", *lines, *length, body=body, host=host)))


@dataclass
class Running(Outside):
    """An edge that answers, and what it has written."""

    settings: edge.Edge = None  # type: ignore[assignment]
    out: Path = Path()
    replicas: dict[str, Replica] = field(default_factory=dict)

    def logged(self) -> list[dict[str, Any]]:
        return logs.objects(Path(self.settings.access_log).read_text())

    def log(self, request_id: str) -> dict[str, object]:
        """The access log's line of a request; nginx would keep it for up to a second, and is told not to."""
        master = int(self.settings.pid.read_text())

        def line() -> dict[str, object] | None:
            os.kill(master, signal.SIGUSR1)
            return next((each for each in self.logged() if each["request_id"] == request_id), None)

        return until(line, 5)


@dataclass(frozen=True)
class Answer:
    raw: bytes

    @property
    def status(self) -> int | None:
        return next(iter(wire.statuses(self.raw)), None)

    @property
    def headers(self) -> dict[str, str]:
        return wire.headers(self.raw)

    @property
    def body(self) -> bytes:
        return self.raw.partition(b"\r\n\r\n")[2]

    @property
    def json(self) -> dict:
        return json.loads(self.body)

    @property
    def seen(self) -> dict[str, str]:
        """The headers the application got, by lower-case name."""
        return {name.lower(): value for name, value in self.json["headers"]}

    def count(self, header: str) -> int:
        head = self.raw.partition(b"\r\n\r\n")[0].decode("latin-1").lower().split("\r\n")
        return sum(line.startswith(header.lower() + ":") for line in head)


@cache
def certificate() -> dict[str, bytes]:
    """Such as a stack makes for itself, once a run; ca.pem is who to trust."""
    return CREDENTIALS["made"]("localhost 127.0.0.1")


def settings(folder: Path, binary: Path, **changed: object) -> edge.Edge:
    """An edge in `folder`, as the native engine would describe it."""
    site, static, reports = edge.SOURCE / "site", folder / "static", folder / "reports"
    credentials = folder / "credentials"
    for each in (static / "django", reports, credentials):
        each.mkdir(parents=True, exist_ok=True)
    for name, content in certificate().items():
        (credentials / name).write_bytes(content)
    made = edge.Edge(
        listen=(f"{HOST}:{free_port()}",),
        server_names=("localhost", HOST, "[::1]", "nginx"),
        upstreams={},
        site=site,
        static=static,
        reports=reports,
        temp=folder / "nginx" / "tmp",
        access_log=folder / "access.log",
        error_log=folder / "error.log",
        pid=folder / "nginx.pid",
        nginx=edge.inspect(binary),
        max_upload=2**20,
        status=f"{HOST}:{free_port()}",
        cache=folder / "nginx" / "answers",
        acme=folder / "acme",
        credentials=credentials,
        locust=f"{HOST}:1",  # nobody: another Locust may run on this machine
        workers=1,
        files=1024,
    )
    return replace(made, **changed)  # type: ignore[arg-type]


@contextmanager
def running(
    folder: Path, binary: Path, hurry: bool = False, source: Path = edge.SOURCE, **changed: object
) -> Iterator[Running]:
    """Renders, tests and starts; `hurry` shortens the 60 s nobody wants to wait for in a test."""
    chosen, out = settings(folder, binary, **changed), folder / "nginx"
    edge.install(chosen, out, binary, source)
    if hurry:
        proxy = out / "snippets" / "proxy.conf"
        proxy.write_text(proxy.read_text().replace("proxy_read_timeout 60s", "proxy_read_timeout 1s"))
    host, port = wire.address(chosen.listen[0])
    errors = folder / "stderr.log"
    with process(edge.command(binary, out, "-g", "daemon off;"), errors) as nginx:
        until(lambda: nginx.poll() is not None or answers((host, port)))
        assert nginx.poll() is None, errors.read_text()
        tls = wire.address(chosen.listen_tls[0]) if chosen.listen_tls else None
        yield Running((host, port), tls, chosen, out)


@contextmanager
def process(command: list[str], errors: Path, **who: Any) -> Iterator[subprocess.Popen]:
    with errors.open("wb") as stderr, subprocess.Popen(command, stderr=stderr, **who) as started:
        try:
            yield started
        finally:
            started.terminate()
            with suppress(subprocess.TimeoutExpired):
                started.wait(10)
            started.kill()


def answers(address: wire.Address) -> bool:
    try:
        return b" 200 " in wire.exchange(address, wire.request("GET /healthz HTTP/1.1"))
    except OSError:
        return False


def copy_of_source(to: Path) -> Path:
    """nginx/ to break at will."""
    return Path(shutil.copytree(edge.SOURCE, to / "source"))
