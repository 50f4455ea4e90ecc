"""The edge of the native engine: renders it, tests it, reloads it, and knows when old workers are gone."""

import os
import sys
from pathlib import Path

import psutil

from deploy import edge
from deploy.errors import impossible
from deploy.native import releases
from deploy.native.keeper import wait
from deploy.native.keeping import Keeping
from deploy.native.layout import Layout
from deploy.native.programs import Program
from deploy.native.record import Record
from deploy.run import run, show
from deploy.settings import Settings
from deploy.variables import SERVICES

STOP_SECONDS = 65  # nginx's own grace on the ladder
# Old workers answer idle keep-alive clients for keepalive_min_timeout; a replica stays until after it.
DRAIN_SECONDS = 6
RELOAD_SECONDS = 10
HTTP3 = "--with-http_v3_module"
UPSTREAM_HTTP2 = "upstream_http2"  # a file of nginx/features/, whose first line says what it needs
STABLE, MAINLINE = (1, 30, 6), (1, 31, 7)  # in older ones known holes are open


class Routing:
    def __init__(self, settings: Settings, layout: Layout, keeper: Keeping):
        self.settings, self.layout, self.keeper = settings, layout, keeper
        self.binary = edge.locate({**os.environ, **settings.given})
        self.nginx = edge.inspect(self.binary)
        if settings.http3 and HTTP3 not in self.nginx.flags:
            raise impossible(f"HTTP3=1 needs an nginx built {HTTP3}; name one with NGINX_BIN, or take ENGINE=compose")
        if settings.http2 and UPSTREAM_HTTP2 in self.nginx.lacks():
            raise impossible(
                f"UPSTREAM_HTTP2=1 needs nginx 1.29.7 or later with HTTP/2, and this is {dots(self.nginx.version)}; "
                "name one with NGINX_BIN, or take ENGINE=compose"
            )

    @property
    def version(self) -> str:
        return f"nginx {dots(self.nginx.version)}"

    @property
    def remark(self) -> str:
        """What is less than it should be, in a line; empty when nothing is."""
        old = (
            ""
            if self.nginx.version >= floor(self.nginx.version)
            else f"is below {dots(floor(self.nginx.version))}, which closes known holes"
        )
        lacking = self.nginx.lacks()
        lacks = f"lacks {', '.join(lacking)}, left out" if lacking else ""
        said = " and ".join(filter(None, (old, lacks)))
        return f"{self.version} {said}" if said else ""

    def program(self) -> Program:
        return Program(
            name="nginx",
            argv=edge.command(self.binary, self.layout.nginx, "-g", "daemon off;"),
            sweep="QUIT",
            directory=self.layout.nginx,
            log=self.layout.logs / "nginx.log",
            stop_signal="QUIT",  # TERM would cut the requests in flight
            stop_seconds=STOP_SECONDS,
        )

    def rotation(self) -> Program:
        logs = self.layout.logs
        script = Path(__file__).with_name("rotate.py")
        return Program(
            name="rotation",
            argv=[
                sys.executable,
                "-I",
                "-S",
                str(script),
                *map(str, (self.layout.pid, logs / "access.log", logs / "error.log")),
            ],
            directory=logs,
            log=logs / "rotation.log",
            stop_signal="TERM",
            stop_seconds=5,
        )

    def prepare(self, record: Record, source: Path | None = None) -> None:
        """Rendered and tested beside the running one; a configuration that fails changes nothing."""
        source = source or releases.nginx(self.settings, self.layout)
        show(edge.command(self.binary, self.layout.nginx.with_name("nginx.new"), "-q", "-t"))
        edge.install(self.edge(record), self.layout.nginx, self.binary, source)

    def edge(self, record: Record) -> edge.Edge:
        settings, layout = self.settings, self.layout
        host = f"[{settings.bind_address}]" if ":" in settings.bind_address else settings.bind_address
        return edge.Edge(
            listen=(f"{host}:{settings.http_port}",),
            server_names=settings.server_names,
            upstreams={name: routed(record, name) for name in SERVICES},
            nginx=self.nginx,
            site=releases.nginx(settings, layout) / "site",
            static=layout.static,
            reports=settings.root / "reports",
            temp=layout.temp,
            access_log=layout.logs / "access.log",
            error_log=layout.logs / "error.log",
            pid=layout.pid,
            max_upload=settings.max_upload,
            status=f"127.0.0.1:{record.status_port or 8081}",
            cache=layout.cache,
            acme=layout.acme,
            credentials=layout.credentials,
            unprivileged=bool(layout.edge_user or os.geteuid()),
            listen_tls=(f"{host}:{settings.https_port}",),
            https_port=settings.https_port,
            http3=settings.http3,
            http2=settings.http2,
            https_redirect=settings.https_redirect,
            hsts=settings.hsts,
            trusted_proxies=settings.trusted_proxies,
            rate_limit=settings.rate_limit,
            connection_limit=settings.connection_limit,
            limit_exempt=settings.limit_exempt,
            password=bool(settings.auth_users_file),
            release="-".join(sorted({f"{each.now.release}-{each.now.tree}" for each in record.releases.values()})),
            locust=f"127.0.0.1:{settings.locust_port}",
        )

    def apply(self, record: Record, source: Path | None = None, drained: bool = True) -> None:
        """New members are in, old ones out, and no old worker sends to the old ones any more.

        Who only adds members need not wait for old workers.
        """
        self.prepare(record, source)
        before = self.workers()
        done = run(edge.command(self.binary, self.layout.nginx, "-s", "reload"), capture_output=True)
        if done.returncode:
            raise impossible(f"nginx does not reload: {done.stderr.strip()}")
        if not wait(lambda: bool(self.workers() - before), RELOAD_SECONDS):
            raise impossible("nginx has not reloaded; see .run/logs/error.log")
        if drained:
            wait(lambda: not self.workers() & before, DRAIN_SECONDS)

    def workers(self) -> set[int]:
        master = self.keeper.programs().get("nginx", {}).get("pid")
        try:
            return {child.pid for child in psutil.Process(master).children()} if master else set()
        except psutil.NoSuchProcess:
            return set()


def dots(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


def floor(version: tuple[int, ...]) -> tuple[int, ...]:
    """nginx's odd minor versions are its mainline."""
    return MAINLINE if version[1] % 2 else STABLE


def routed(record: Record, service: str) -> tuple[str, ...]:
    return tuple(each.address for each in record.of(service) if each.name in record.routed)
