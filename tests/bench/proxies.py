"""What stands in front of the same backend in bench_edge.py: the edge, a tutorial's nginx, Caddy, HAProxy."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from deploy import edge
from deploy.ports import free_port
from tests import wire
from tests.config.edge import HOST, process, settings
from tests.waiting import until

TUTORIAL = Path(__file__).with_name("tutorial.conf")
BODY = "Hello, World!"
KIB = "k" * 1024  # as large as a small JSON answer
PER_SECOND = 100_000  # of one client: counted, and never reached
BACKEND = """
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
    {temp}
    access_log off;
    keepalive_requests 10000000;
    default_type text/plain;
    server {{
        listen {listen};
        location / {{ return 200 "{body}"; }}
        location /kept {{ add_header Cache-Control s-maxage=3600; return 200 "{kib}"; }}
    }}
}}
"""
# The places an nginx was built with may not be there, or be closed.
TEMP = " ".join(f"{name}_temp_path {{folder}}/{name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
CADDY = "{{\n admin off\n auto_https off\n}}\nhttp://{listen} {{\n reverse_proxy {backend}\n}}\n"
HAPROXY = """
defaults
    mode http
    timeout connect 1s
    timeout client 60s
    timeout server 60s
frontend in
    bind {listen}
    default_backend app
backend app
    server app {backend}
"""


@dataclass(frozen=True)
class Peer:
    """A server that runs; `path` is what is asked of it."""

    address: str
    path: str
    pid: int

    @property
    def cpu(self) -> float:
        """Seconds of all its processes so far."""
        parent = psutil.Process(self.pid)
        times = [each.cpu_times() for each in (parent, *parent.children(recursive=True))]
        return sum(each.user + each.system for each in times)

    def at(self, path: str) -> "Peer":
        return Peer(self.address, path, self.pid)


@contextmanager
def started(argv: list[str], folder: Path, address: str, path: str, cpu: int) -> Iterator[Peer]:
    with process(["taskset", "-c", str(cpu), *argv], folder / "stderr.log") as running:
        try:
            until(lambda: answers(address, path))
        except AssertionError:
            raise AssertionError((folder / "stderr.log").read_text()) from None
        yield Peer(address, path, running.pid)


def answers(address: str, path: str) -> bool:
    try:
        return b" 200 " in wire.exchange(wire.address(address), wire.request(f"GET {path} HTTP/1.1"))
    except OSError:
        return False


@contextmanager
def backend(binary: Path, folder: Path, cpu: int) -> Iterator[Peer]:
    listen = address()
    write(folder / "nginx.conf", BACKEND.format(folder=folder, listen=listen, body=BODY, kib=KIB, temp=temp(folder)))
    with started(edge.command(binary, folder, "-g", "daemon off;"), folder, listen, "/", cpu) as peer:
        yield peer


@contextmanager
def ours(binary: Path, folder: Path, to: str, cpu: int, service: str = "fastapi") -> Iterator[Peer]:
    """The complete configuration: everything production turns on, with limits that nobody reaches."""
    listen, tls = address(), address()
    chosen = settings(folder, binary, listen=(listen,), listen_tls=(tls,), upstreams={service: (to,)}, files=4096,
                      hsts=True, trusted_proxies=("10.0.0.0/8",), rate_limit=PER_SECOND, connection_limit=1000,
                      limit_exempt=("192.0.2.0/24",))  # fmt: skip
    write(chosen.static / "kept.txt", KIB)
    edge.install(chosen, folder / "nginx", binary)
    command = edge.command(binary, folder / "nginx", "-g", "daemon off;")
    with started(command, folder, listen, f"/{service}/plaintext", cpu) as peer:
        yield peer


@contextmanager
def tutorial(binary: Path, folder: Path, to: str, cpu: int) -> Iterator[Peer]:
    listen = address()
    values = {
        "FOLDER": folder,
        "TEMP": temp(folder),
        "MIME": edge.SOURCE / "mime.types",
        "BACKEND": to,
        "LISTEN": listen,
    }
    text = TUTORIAL.read_text()
    for name, value in values.items():
        text = text.replace(f"@{name}@", str(value))
    write(folder / "nginx.conf", text)
    with started(edge.command(binary, folder, "-g", "daemon off;"), folder, listen, "/", cpu) as peer:
        yield peer


@contextmanager
def caddy(binary: Path, folder: Path, to: str, cpu: int) -> Iterator[Peer]:
    config = write(folder / "Caddyfile", CADDY.format(listen=(listen := address()), backend=to))
    command = ["env", f"HOME={folder}", str(binary), "run", "--adapter", "caddyfile", "--config", str(config)]
    with started(command, folder, listen, "/", cpu) as peer:
        yield peer


@contextmanager
def haproxy(binary: Path, folder: Path, to: str, cpu: int) -> Iterator[Peer]:
    config = write(folder / "haproxy.cfg", HAPROXY.format(listen=(listen := address()), backend=to))
    with started([str(binary), "-db", "-f", str(config)], folder, listen, "/", cpu) as peer:
        yield peer


def temp(folder: Path) -> str:
    return TEMP.format(folder=folder)


def address() -> str:
    return f"{HOST}:{free_port()}"


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def version(argv: list[str]) -> str:
    said = subprocess.run(argv, capture_output=True, text=True)
    return (said.stdout + said.stderr).strip().partition("\n")[0]
