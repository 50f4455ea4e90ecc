"""Processes of this machine, from /proc: who is whose child, and who is still there."""

import os
import re
import signal
import socket
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

ROOTS = "processes in containers can be signalled and looked into by root alone"


def parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def everybody() -> dict[int, int]:
    """Pid -> pid of its parent."""
    found = {}
    for path in Path("/proc").glob("[0-9]*"):
        with suppress(FileNotFoundError, ProcessLookupError):
            found[int(path.name)] = parent(int(path.name))
    return found


def family(pid: int) -> set[int]:
    """A process and all that descend from it."""
    parents, found = everybody(), {pid}
    while more := {child for child, its in parents.items() if its in found} - found:
        found |= more
    return found


def alive(pids: set[int]) -> set[int]:
    return {pid for pid in pids if running(pid)}


def running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def send(row: dict[str, Any], engine: str, number: signal.Signals) -> None:
    """A signal to the first process of a replica, as the kernel or an operator would send it."""
    os.kill(int(row["id"]) if engine == "native" else container_pid(row["id"]), number)


def memory(row: dict[str, Any], engine: str, pid: int) -> tuple[int, int]:
    """Bytes that a process of a replica holds, and the most it ever held; `pid` as the replica itself sees it."""
    folder = f"/proc/{pid}" if engine == "native" else f"/proc/{container_pid(row['id'])}/root/proc/{pid}"
    fields = dict(re.findall(r"^(\w+):\s+(\d+) kB$", Path(folder, "status").read_text(), re.MULTILINE))
    return int(fields["VmRSS"]) * 1024, int(fields["VmHWM"]) * 1024


def container_pid(container: str) -> int:
    if os.geteuid():
        pytest.skip(ROOTS)
    command = ["docker", "inspect", "--format", "{{.State.Pid}}", container]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def listens(address: tuple[str, int]) -> bool:
    with socket.socket() as sock:
        sock.settimeout(1)
        return sock.connect_ex(address) == 0
