"""`doctor`: one line for each thing a stack needs of this machine, with its mend where it lacks."""

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy import dotenv, environment, launcher, state
from deploy.choice import answers, choose, recorded
from deploy.console import Console
from deploy.errors import Answer, Refused
from deploy.ports import LOOPBACK, free, of_the_edge
from deploy.run import quiet
from deploy.settings import Settings
from deploy.variables import SERVICES, VARIABLES, unknown

GIB = 2**30
NEEDED_MEMORY = 1.2 * GIB  # the default stack at rest, with room
NEEDED_DISK = 1 * GIB
NEEDED_FILES = 4096  # two for each connection through the edge
CHECKED_BY: dict[str, str] = {"swarm": "deploy.swarm.checks"}


@dataclass(frozen=True)
class Finding:
    level: str  # ok, note (runs, with less) or bad (does not run, or is not safe)
    what: str
    mend: str = ""

    def __str__(self) -> str:
        return f"{self.level:<5} {self.what}" + (f"; {self.mend}" if self.mend else "")


Check = Callable[[Settings, Console], Iterator[Finding]]


def doctor(settings: Settings, say: Console, words: dict[str, Any]) -> None:
    settings, bad = as_started(settings), 0
    for check in CHECKS:
        for finding in told(check, settings, say):
            say.answer(str(finding))
            bad += finding.level == "bad"
    if bad:
        raise Answer(f"{bad} of these need mending")


def as_started(settings: Settings) -> Settings:
    """A stack that is up is looked at with the settings it was started with."""
    try:
        given = (state.read(settings.run) or {}).get("given", {})
    except state.Damaged:
        given = {}
    return settings.again({**settings.given, **given}, settings.words) if given else settings


def told(check: Check, settings: Settings, say: Console) -> Iterator[Finding]:
    """What a check would refuse is a finding too."""
    try:
        yield from check(settings, say)
    except Refused as refusal:
        yield Finding("bad", str(refusal))


def ok_or(level: str, fine: bool, what: str, mend: str) -> Finding:
    return Finding("ok", what) if fine else Finding(level, what, mend)


def python(settings: Settings, say: Console) -> Iterator[Finding]:
    yield Finding("ok", f"Python {sys.version.split()[0]} in {Path(sys.prefix).relative_to(settings.root)}")


def engine(settings: Settings, say: Console) -> Iterator[Finding]:
    running = recorded(settings, say)
    if running:
        yield Finding("ok", f"engine: {running}, a stack is up")
    else:
        yield Finding("ok", "engine: {} ({})".format(*choose(settings)))


def docker(settings: Settings, say: Console) -> Iterator[Finding]:
    if not answers("docker", "version", "--format", "{{.Server.Version}}"):
        yield Finding("note", "no Docker engine answers", "start one for ENGINE=compose; native needs none")
        return
    asked = quiet(["docker", "version", "--format", "{{.Server.Version}}"], capture_output=True)
    compose = quiet(["docker", "compose", "version", "--short"], capture_output=True)
    yield Finding("ok", f"Docker engine {asked.stdout.strip()}")
    yield ok_or("note", not compose.returncode, f"docker compose {compose.stdout.strip() or 'v2 is absent'}",
                "install Docker's compose plugin for ENGINE=compose")  # fmt: skip


def named(settings: Settings, say: Console) -> Iterator[Finding]:
    """What an engine asks that is only looked at where ENGINE names it."""
    if settings.engine in CHECKED_BY:
        from importlib import import_module

        yield from import_module(CHECKED_BY[settings.engine]).findings(settings, say)


def native(settings: Settings, say: Console) -> Iterator[Finding]:
    if not environment.has(settings.root, "apps", "deploy/native"):
        yield Finding("note", "the native engine is not installed yet", "./ponte up ENGINE=native does it")
        return
    from deploy.native import checks

    yield from checks.findings(settings)


def servers(settings: Settings, say: Console) -> Iterator[Finding]:
    launcher.check(settings, SERVICES)
    known = launcher.table(settings.root)["servers"]
    for name in dict.fromkeys(launcher.server(settings, service) for service in SERVICES):
        program, mend = known[name]["program"] or ("", "")
        if program and not shutil.which(program):
            yield Finding("bad", f"server {name} needs {program}", mend)
        else:
            yield ok_or("note", known[name]["installed"], f"server {name}",
                        "not installed yet; ./ponte up does it, for containers the build")  # fmt: skip


def ports(settings: Settings, say: Console) -> Iterator[Finding]:
    edge = [(name, port, settings.bind_address) for name, port in of_the_edge(settings)]
    for name, port, host in (*edge, ("LOCUST_PORT", settings.locust_port, LOOPBACK)):
        what = f"{name} {port} on {host}"
        if free(host, port):
            yield Finding("ok", f"{what} is free")
        elif ours(settings, say, settings.http_port if name == "HTTPS_PORT" else port):
            yield Finding("ok", f"{what} is held by this stack")
        else:
            yield Finding("note" if name == "LOCUST_PORT" else "bad", f"{what} is taken", f"choose another {name}")


def ours(settings: Settings, say: Console, port: int) -> bool:
    try:
        found = state.read(settings.run) or {}
    except state.Damaged:
        return False
    return str(found.get("url", "")).endswith(f":{port}")


def memory(settings: Settings, say: Console) -> Iterator[Finding]:
    free_bytes = min(available_memory())
    yield ok_or("note", free_bytes >= NEEDED_MEMORY, f"memory: {free_bytes / GIB:.1f} GiB available",
                "the default stack wants 1.2 GiB: lower the replicas")  # fmt: skip


def available_memory() -> Iterator[int]:
    """Of the machine, and of the control group where that is less."""
    yield os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def disk(settings: Settings, say: Console) -> Iterator[Finding]:
    left = shutil.disk_usage(settings.root).free
    yield ok_or("bad", left >= NEEDED_DISK, f"disk: {left / GIB:.1f} GiB free", "free some")


def open_files(settings: Settings, say: Console) -> Iterator[Finding]:
    import resource

    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    text = "unlimited" if hard == resource.RLIM_INFINITY else str(hard)
    fine = hard == resource.RLIM_INFINITY or hard >= NEEDED_FILES
    yield ok_or("note", fine, f"open files: {text}", f"raise the limit (ulimit -Hn) above {NEEDED_FILES}")


def permissions(settings: Settings, say: Console) -> Iterator[Finding]:
    folder = settings.run if settings.run.exists() else settings.root
    yield ok_or("bad", writable(folder), f"{folder} belongs to this user", "give this user the checkout")
    for path in private(settings):
        if path.exists() and path.stat().st_mode & 0o077:
            yield Finding("bad", f"{path} can be read by others", f"chmod go= {path}")


def private(settings: Settings) -> Iterator[Path]:
    yield settings.run / "secrets"
    yield from (settings.run / "secrets").glob("*")
    if {"SECRET_KEY", "DATABASE_URL"} & dotenv.read(settings.root / ".env").keys():
        yield settings.root / ".env"


def writable(folder: Path) -> bool:
    """A folder of somebody else's, or one where `sudo ./ponte` left files."""
    return os.access(folder, os.W_OK) and all(os.access(path, os.R_OK) for path in folder.iterdir())


def secrets(settings: Settings, say: Console) -> Iterator[Finding]:
    given = [name for name in ("SECRET_KEY", "SECRET_KEY_FILE") if name in settings.given]
    yield Finding("ok", f"secrets: {given[0] if given else 'made by the stack'}")
    if "SECRET_KEY" in settings.given and len(settings.secret_key) < 32:
        yield Finding("note", "SECRET_KEY is short", "use 32 random characters or more")


def dot_env(settings: Settings, say: Console) -> Iterator[Finding]:
    values = dotenv.read(settings.root / ".env")
    for name, near in unknown(values).items():
        yield Finding("note", f".env: {name} is no variable of the stack", f"did you mean {near}?")
    if values:
        yield Finding("ok", f".env sets {', '.join(name for name in values if name in VARIABLES) or 'nothing'}")


CHECKS: tuple[Check, ...] = (
    python, engine, docker, named, native, servers, ports, memory, disk, open_files, permissions, secrets, dot_env,
)  # fmt: skip
