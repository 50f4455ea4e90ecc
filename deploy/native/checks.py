"""What `doctor` says of the native engine: its programs, and where they listen."""

import ipaddress
import os
from collections.abc import Iterator
from shutil import which

import psutil

from deploy import state
from deploy.doctor import Finding, ok_or
from deploy.native import postgres, user
from deploy.native.keeper import Keeper
from deploy.native.layout import Layout
from deploy.native.record import load
from deploy.native.routing import Routing
from deploy.native.status import processes
from deploy.settings import Settings

LARGE_LOGS = 2**30  # bytes


def findings(settings: Settings) -> Iterator[Finding]:
    yield from nginx(settings)
    yield from database(settings)
    yield ok_or("note", bool(which("setpriv")), "setpriv ends processes with their keeper",
                "install util-linux 2.33 or newer; without it a killed keeper leaves processes until the next ./ponte up")  # fmt: skip
    if os.geteuid() == 0:
        yield Finding("note", "this is root", "an ordinary user is enough, unless HTTP_PORT is below 1024")
    yield from listening(settings)
    yield from logs(settings)


def nginx(settings: Settings) -> Iterator[Finding]:
    layout = Layout(settings.root, settings.run)
    found = Routing(settings, layout, Keeper(layout))
    yield ok_or("note", not found.remark, found.remark or found.version,
                f"fine on a laptop, elsewhere set NGINX_BIN to a newer one (this is {found.binary})")  # fmt: skip


def database(settings: Settings) -> Iterator[Finding]:
    data = settings.run / "postgres"
    if settings.database_url or settings.database_url_file:
        yield Finding("ok", "PostgreSQL: your own (DATABASE_URL)")
        return
    found = postgres.locate(settings, data)
    words = user.wrap(data)
    run_as = f", run through {words[0]}, for it refuses root" if words else ""
    yield Finding("ok", f"PostgreSQL {found.major} ({found.bin}{run_as})")


def logs(settings: Settings) -> Iterator[Finding]:
    size = sum(path.stat().st_size for path in (settings.run / "logs").glob("*"))
    if size > LARGE_LOGS:
        yield Finding(
            "note", f"{settings.run.name}/logs holds {size / 2**30:.1f} GiB", "./ponte reload rotates nginx's"
        )


def listening(settings: Settings) -> Iterator[Finding]:
    """Replicas and PostgreSQL must not be reachable from outside: seen, not assumed."""
    layout = Layout(settings.root, settings.run)
    try:
        record = load(layout.run)
    except state.Damaged:
        return
    if not record:
        return
    open_to_all = [line for name, info in Keeper(layout).programs().items() if name != "nginx"
                   for line in addresses(name, info.get("pid") or 0)]  # fmt: skip
    yield ok_or("bad", not open_to_all, ", ".join(open_to_all) or "replicas and PostgreSQL listen on 127.0.0.1 only",
                "this is a bug of the stack: stop it")  # fmt: skip


def addresses(name: str, pid: int) -> Iterator[str]:
    for process in processes(pid):
        for each in connections(process):
            if each.status == psutil.CONN_LISTEN and not ipaddress.ip_address(each.laddr.ip).is_loopback:
                yield f"{name} listens on {each.laddr.ip}:{each.laddr.port}"


def connections(process: psutil.Process) -> list:
    try:
        return process.net_connections("inet")
    except psutil.Error:
        return []
