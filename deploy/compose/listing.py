"""`ps`: the containers, each with its readiness, server, workers and memory."""

import json
import re
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from deploy import launcher
from deploy.compose.containers import ONCE, Container, listed, uptime
from deploy.compose.docker import Docker
from deploy.compose.readiness import AT_ONCE, ready
from deploy.engines.base import Replica
from deploy.settings import Settings

UNITS = {"B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}


def replicas(docker: Docker) -> list[Replica]:
    there = [each for each in listed(docker) if not each.service.startswith("locust")]  # of the profile loadtest
    shown = [each for each in there if each.service not in ONCE or worth_showing(each)]
    with ThreadPoolExecutor(AT_ONCE + 1) as pool:
        memory = pool.submit(memories, docker, [each.id for each in shown if each.running])
        found = list(pool.map(lambda each: (ready(docker, each), command(docker, each)), shown))
    return [
        replica(docker.settings, each, is_ready, line, memory.result().get(each.id[:12]))
        for each, (is_ready, line) in zip(shown, found, strict=True)
    ]


def worth_showing(each: Container) -> bool:
    """A one-shot that has done its work is no replica."""
    return each.running or each.exit_code != 0


def replica(settings: Settings, each: Container, is_ready: bool, line: str, memory: int | None) -> Replica:
    return Replica(
        service=each.service,
        replica=each.hostname,
        state=state(each, is_ready),
        ready=is_ready,
        server=server(settings, each),
        workers=launcher.workers(line) if each.app and line else None,
        memory=memory,
        uptime=uptime(each),
        address=address(settings, each),
        id=each.id,
    )


def state(each: Container, is_ready: bool) -> str:
    if each.status == "running":
        return "running" if is_ready else "starting"
    ended = "failed" if each.exit_code else "exited"
    return {"exited": ended, "dead": "failed", "removing": "stopping"}.get(each.status, each.status)


def server(settings: Settings, each: Container) -> str:
    if not each.app:
        return ""
    return each.setting("SERVER") or launcher.table(settings.root)["services"][each.service]["default"]


def address(settings: Settings, each: Container) -> str | None:
    """Where this machine reaches it; only on Linux do containers have addresses the host can use."""
    if each.service == "nginx":
        return f"{settings.bind_address}:{settings.http_port}"
    host = each.addresses.get("edge") or each.addresses.get("database")
    if not host or not sys.platform.startswith("linux"):
        return None
    port = launcher.table(settings.root)["services"][each.service]["port"] if each.app else 5432
    return f"{host}:{port}"


def command(docker: Docker, each: Container) -> str:
    """What the launcher became: the first process."""
    if not (each.running and each.app):
        return ""
    return docker.ask("docker", "exec", each.id, "cat", "/proc/1/cmdline", check=False).replace("\0", " ")


def memories(docker: Docker, ids: Iterable[str]) -> dict[str, int]:
    """Short id -> bytes, without the page cache that the kernel can take back."""
    ids = list(ids)
    if not ids:
        return {}
    answer = docker.ask("docker", "stats", "--no-stream", "--no-trunc", "--format", "{{json .}}", *ids, check=False)
    rows = (json.loads(line) for line in answer.splitlines() if line.startswith("{"))
    return {row["ID"][:12]: size(row["MemUsage"].split("/")[0]) for row in rows}


def size(text: str) -> int:
    match = re.fullmatch(r"([0-9.]+)([A-Za-z]+)", text.strip())
    return int(float(match[1]) * UNITS[match[2]]) if match and match[2] in UNITS else 0
