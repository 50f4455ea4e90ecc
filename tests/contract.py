"""The contract as data: services, routes, and the shape of an error. Tests are parametrized over it."""

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from deploy.variables import prefix

ROOT = Path(__file__).resolve().parent.parent
ISO_UTC = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
HEX_32 = re.compile("[0-9a-f]{32}")
MIB = 1024 * 1024
LARGEST = 2**63 - 1

READ, WRITE, BOTH = ("GET", "HEAD"), ("POST",), ("GET", "HEAD", "POST")
# Path with a query that keeps a GET short -> methods. What is not here is 405.
ROUTES = {
    "/": READ,
    "/healthz": READ,
    "/readyz": READ,
    "/headers": READ,
    "/plaintext": READ,
    "/json": READ,
    "/cpu?ms=0": READ,
    "/wait?ms=0": READ,
    "/query?n=1": READ,
    "/messages?limit=1": BOTH,
    "/poll?timeout=0": READ,
    "/echo": WRITE,
    "/digest": WRITE,
    "/stream?chunks=1&ms=0": READ,
    "/session": BOTH,
    "/jobs": WRITE,
    "/jobs/00000000-0000-4000-8000-000000000000": READ,
    "/events": READ,
    "/ws/echo": READ,
    "/ws/chat": READ,
}
# What an application without a database answers as the others do; the rest of ROUTES is 404 there.
CORE = {"/", "/healthz", "/headers", "/plaintext", "/json", "/cpu", "/wait", "/echo", "/digest", "/stream", "/events",
        "/ws/echo"}  # fmt: skip
PATHS = {path.partition("?")[0] for path in ROUTES}
NEED_DATABASE = ("/readyz", "/query", "/messages", "/poll", "/jobs", "/events", "/ws/chat")


@dataclass(frozen=True)
class Service:
    name: str
    framework: str
    interface: str
    folder: str
    module: str
    server: str
    has_database: bool

    def lacks(self, path: str) -> bool:
        return not self.has_database and path.partition("?")[0] in PATHS - CORE


def table() -> dict:
    """The launcher's own table: a new service or server is tested by the existing tests."""
    command = [sys.executable, "-m", "serve", "--table"]
    environ = {**os.environ, "PYTHONPATH": str(ROOT / "apps")}
    return json.loads(subprocess.run(command, env=environ, check=True, capture_output=True, text=True).stdout)


def applications(table: dict, key: str) -> dict[str, Service]:
    return {name: application(name, row, key == "services") for name, row in table[key].items()}


def application(name: str, row: dict, has_database: bool) -> Service:
    module = row["app"].partition(":")[0]
    return Service(name, row["framework"], row["interface"], row["folder"], module, row["default"], has_database)


TABLE = table()
SERVICES, FRAMEWORKS = applications(TABLE, "services"), applications(TABLE, "frameworks")
APPLICATIONS = SERVICES | FRAMEWORKS  # what runs in the stack, and what the matrix starts beside it
NAMES = tuple(SERVICES)
# The server of each service in the stack under test: its own, or another that ./ponte test was told.
CHOSEN = {name: os.environ.get(f"{prefix(name)}_SERVER") or service.server for name, service in SERVICES.items()}
WSGI = tuple(name for name, service in SERVICES.items() if service.interface == "wsgi")
ASGI = tuple(name for name, service in SERVICES.items() if service.interface == "asgi")
WITH_SOCKETS = tuple(name for name in ASGI if TABLE["servers"][CHOSEN[name]]["websockets"])

# One of each server: what the edge and the server alone decide is asked of these in the quick tier.
EACH_SERVER = tuple({CHOSEN[name]: name for name in ("django", "django-asgi", "flask", "fastapi")}.values())

PHRASES = {400: "bad_request", 500: "internal_server_error", 403: "forbidden", 404: "not_found", 405: "method_not_allowed", 413: "content_too_large",
           414: "uri_too_long", 422: "unprocessable_content", 426: "upgrade_required",
           431: "request_header_fields_too_large", 501: "not_implemented", 502: "bad_gateway",
           503: "service_unavailable", 504: "gateway_timeout", 505: "http_version_not_supported"}  # fmt: skip


def assert_error(answer, status: int) -> dict:
    """The one shape of every error; gives its fields."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"].partition(";")[0] == "application/json"
    fields = answer.json()
    assert_shape(fields, status)
    assert fields["request_id"] == answer.headers["x-request-id"]
    return fields


def assert_shape(fields: dict, status: int) -> None:
    assert set(fields) == {"error", "detail", "request_id"}
    assert fields["error"] == PHRASES[status]
    assert fields["detail"].endswith(".") and "\n" not in fields["detail"], "one sentence"
    assert HEX_32.fullmatch(fields["request_id"])
