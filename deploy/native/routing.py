"""The edge of the native engine: renders it, tests it, reloads it, and knows when old workers are gone."""

import os
from pathlib import Path

import psutil

from deploy import edge
from deploy.errors import impossible
from deploy.native import releases
from deploy.native.keeper import Keeper, wait
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
LONGEST_LOG = 100 * 2**20  # bytes
STABLE, MAINLINE = (1, 30, 6), (1, 31, 7)  # in older ones known holes are open


class Routing:
    def __init__(self, settings: Settings, layout: Layout, keeper: Keeper):
        self.settings, self.layout, self.keeper = settings, layout, keeper
        self.binary = edge.locate({**os.environ, **settings.given})
        self.nginx = edge.inspect(self.binary)

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
        lacks = f"lacks {', '.join(self.nginx.lacks)}, left out" if self.nginx.lacks else ""
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

    def prepare(self, record: Record, source: Path | None = None) -> None:
        """Rendered and tested beside the running one; a configuration that fails changes nothing."""
        source = source or releases.nginx(self.settings, self.layout)
        rotate(self.layout)
        show(edge.command(self.binary, self.layout.nginx.with_name("nginx.new"), "-q", "-t"))
        edge.install(self.edge(record), self.layout.nginx, self.binary, source)

    def edge(self, record: Record) -> edge.Edge:
        settings, layout = self.settings, self.layout
        host = f"[{settings.bind_address}]" if ":" in settings.bind_address else settings.bind_address
        return edge.Edge(
            listen=(f"{host}:{settings.http_port}",),
            server_names=settings.server_names,
            upstreams={name: routed(record, name) for name in SERVICES},
            features=self.nginx.features,
            site=releases.nginx(settings, layout) / "site",
            static=layout.static,
            reports=settings.root / "reports",
            temp=layout.nginx / "tmp",
            access_log=layout.logs / "access.log",
            error_log=layout.logs / "error.log",
            pid=layout.run / "nginx.pid",
            max_upload=settings.max_upload,
        )

    def apply(self, record: Record, source: Path | None = None) -> None:
        """New members are in, old ones out, and no old worker sends to the old ones any more."""
        self.prepare(record, source)
        before = self.workers()
        done = run(edge.command(self.binary, self.layout.nginx, "-s", "reload"), capture_output=True)
        if done.returncode:
            raise impossible(f"nginx does not reload: {done.stderr.strip()}")
        if not wait(lambda: bool(self.workers() - before), RELOAD_SECONDS):
            raise impossible("nginx has not reloaded; see .run/logs/error.log")
        wait(lambda: not self.workers() & before, DRAIN_SECONDS)

    def workers(self) -> set[int]:
        master = self.keeper.programs().get("nginx", {}).get("pid")
        try:
            return {child.pid for child in psutil.Process(master).children()} if master else set()
        except psutil.NoSuchProcess:
            return set()


def rotate(layout: Layout) -> None:
    """nginx opens its files anew at each start and reload; one old copy is kept."""
    for path in (layout.logs / "access.log", layout.logs / "error.log"):
        if path.exists() and path.stat().st_size > LONGEST_LOG:
            path.replace(path.with_name(f"{path.name}.1"))


def dots(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


def floor(version: tuple[int, ...]) -> tuple[int, ...]:
    """nginx's odd minor versions are its mainline."""
    return MAINLINE if version[1] % 2 else STABLE


def routed(record: Record, service: str) -> tuple[str, ...]:
    return tuple(each.address for each in record.of(service) if each.name in record.routed)
