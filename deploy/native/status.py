"""What runs right now: supervisor's word, each replica's own /readyz, and the memory of its processes."""

import time
from concurrent.futures import ThreadPoolExecutor

import psutil

from deploy.engines.base import Replica
from deploy.native import postgres, replicas
from deploy.native.keeping import Info, Keeping
from deploy.native.record import Record
from deploy.native.start import edge_ready
from deploy.settings import Settings

STATES = {
    "RUNNING": "running",
    "STARTING": "starting",
    "BACKOFF": "restarting",
    "STOPPING": "stopping",
    "FATAL": "failed",
}


def listing(record: Record, settings: Settings, keeper: Keeping) -> list[Replica]:
    programs = keeper.programs()
    names = ["nginx", *record.members, *(["postgres"] if record.database_port else [])]
    with ThreadPoolExecutor(16) as pool:
        return list(pool.map(lambda name: one(name, programs.get(name, {}), record, settings), names))


def one(name: str, info: Info, record: Record, settings: Settings) -> Replica:
    member = record.members.get(name)
    alive = info.get("statename") in ("STARTING", "RUNNING")
    is_ready = alive and ready(name, record, settings)
    tree = processes(info.get("pid") or 0)
    return Replica(
        service=member.service if member else name,
        replica=name,
        state="running" if is_ready else STATES.get(info.get("statename", ""), "exited"),
        ready=is_ready,
        server=member.server if member else record.about.get(name, ""),
        workers=member.workers if member else None,
        memory=sum(map(memory, tree)) if tree else None,
        uptime=time.time() - info["start"] if alive else None,
        address=address(name, record, settings),
        id=str(info.get("pid") or ""),
    )


def ready(name: str, record: Record, settings: Settings) -> bool:
    if name == "nginx":
        return edge_ready(settings)
    if name == "postgres":
        found = postgres.locate(settings, settings.run / "postgres")
        return postgres.ready(found, record.database_port or 0)
    return not replicas.why_not(record.members[name])


def address(name: str, record: Record, settings: Settings) -> str:
    if name == "nginx":
        return f"{settings.bind_address}:{settings.http_port}"
    if name == "postgres":
        return f"127.0.0.1:{record.database_port}"
    return record.members[name].address


def processes(pid: int) -> list[psutil.Process]:
    try:
        return [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)] if pid else []
    except psutil.NoSuchProcess:
        return []


def memory(process: psutil.Process) -> int:
    """Shared pages divided among those who share them (PSS), where the system tells."""
    try:
        full = process.memory_full_info()
        return getattr(full, "pss", full.rss)
    except psutil.AccessDenied:
        return process.memory_info().rss
    except psutil.NoSuchProcess:
        return 0
