"""Where a run was made: host, versions, commit, and who answered."""

import hashlib
import json
import os
import platform
import re
import subprocess
import time
import urllib.request
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from deploy import state
from loadtests.measure.processes import text
from loadtests.services import SERVICES

ROOT = Path(__file__).resolve().parent.parent.parent
PACKAGES = ("locust", "gevent", "numpy", "picows")
STACK = ("django", "fastapi", "flask", "psycopg")  # and the servers that run
LOCKS = ("apps", "apps/serve")
NOT_LOCKED = ("nginx", "postgres")  # they say it themselves
ASK_SECONDS = 5
SPEED_BLOCK, SPEED_WORK, SPEED_TRIES = b"x" * 1024, 10_000, 15  # some 0.2 s


def describe(placement: str, url: str, replicas: list[dict] | None) -> dict[str, Any]:
    return {
        "host": host(),
        "versions": {name: found for name in PACKAGES if (found := installed(name))} | versions(replicas or ()),
        "commit": commit(),
        "placement": placement,
        "stack": {"url": url, **(running(replicas, url) if replicas else {})},
    }


def host() -> dict[str, Any]:
    cpu = re.search(r"^model name\s*:\s*(.+)", text(Path("/proc/cpuinfo")), re.M)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "cpu": cpu[1] if cpu else platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "memory": memory,
        "kernel": platform.release(),
        "python": platform.python_version(),
    }


def speed() -> float:
    """How often this machine does a fixed piece of work in a second just now; the median of some tries.

    (!) Virtual machines share their CPUs: the same one may be a quarter slower an hour later, and everything on it.
    """
    tries = []
    for _ in range(SPEED_TRIES):
        begun = time.perf_counter()
        for _ in range(SPEED_WORK):
            hashlib.sha256(SPEED_BLOCK).digest()
        tries.append(SPEED_WORK / (time.perf_counter() - begun))
    return sorted(tries)[SPEED_TRIES // 2]


def versions(replicas: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Of what a stack runs; none of a stack elsewhere."""
    lock = "\n".join((ROOT / name / "requirements.txt").read_text() for name in LOCKS)
    named = sorted({each["server"].partition("-")[0] for each in replicas}.union(STACK)) if replicas else ()
    own = {each["service"]: each["server"].rpartition(" ")[2] for each in replicas if each["service"] in NOT_LOCKED}
    return {name: found for name in named if (found := locked(name, lock))} | own


def locked(name: str, lock: str) -> str:
    found = re.search(rf"^{re.escape(name)}(?:\[\w+\])?==(\S+)", lock, re.M)
    return found[1] if found else ""


def installed(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def commit() -> str:
    if not (ROOT / ".git").exists():
        return "no checkout of git"
    number = git("rev-parse", "--short", "HEAD")
    return (
        f"{number} ({'with changes' if git('status', '--porcelain', '--untracked-files=no') else 'clean'})"
        if number
        else "unknown"
    )


def git(*words: str) -> str:
    try:
        return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, timeout=10).stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        return ""


def running(replicas: list[dict], url: str, run: str | None = None) -> dict[str, Any]:
    """`run` is the folder the stack writes, PONTE_RUN."""
    counts: dict[str, Any] = {}
    for each in replicas:
        if each["service"] in SERVICES:
            found = counts.setdefault(
                each["service"], {"replicas": 0, "server": each["server"], "workers": each["workers"]}
            )
            found["replicas"] += 1
    engine = "native" if all(each["id"].isdigit() for each in replicas if each["id"]) else of_containers(run)
    return {"engine": engine, "services": counts, "answers": {name: answer(url, name) for name in counts}}


def of_containers(run: str | None) -> str:
    """As the stack wrote it down; one that `docker compose up` started by itself has written nothing."""
    with suppress(state.Damaged):
        if found := state.read(ROOT / (run or os.environ.get("PONTE_RUN") or ".run")):
            return str(found["engine"])
    return "compose"


def answer(url: str, service: str) -> dict[str, Any]:
    """What the service says of itself at its root; empty when it does not answer."""
    try:
        with urllib.request.urlopen(f"{url}/{service}/", timeout=ASK_SECONDS) as found:
            told = json.load(found)
    except (OSError, ValueError):
        return {}
    return {name: told[name] for name in ("framework", "interface", "server", "python", "release") if name in told}
