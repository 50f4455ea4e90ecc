"""256 MiB through edge and application, and what they hold of it: see promise.md."""

import hashlib
import os
import re
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from tests import tls
from tests.config.edge import Outside
from tests.contract import MIB, NAMES
from tests.engine import Stack
from tests.processes import container_pid, family
from tests.promises.behind import upstreams  # noqa: F401

pytestmark = [pytest.mark.full, pytest.mark.timeout(180)]
BLOCK = os.urandom(MIB)
BLOCKS = 256
GROWTH = 40 * MIB  # a process's buffers, measured 2 to 12 MiB, and what an allocator keeps
RESET_PEAK = "5"


def expected() -> dict[str, object]:
    digest = hashlib.sha256()
    for _ in range(BLOCKS):
        digest.update(BLOCK)
    return {"bytes": BLOCKS * MIB, "sha256": digest.hexdigest()}


def memory(pids: Iterable[int], field: str) -> dict[int, int]:
    """Bytes by process: VmRSS is what it holds, VmHWM the most it held."""
    found = {}
    for pid in pids:
        with suppress(FileNotFoundError, ProcessLookupError):
            fields = dict(re.findall(r"^(\w+):\s+(\d+) kB$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE))
            found[pid] = int(fields[field]) * 1024
    return found


def growth(pids: set[int], base: str, service: str) -> dict[int, int]:
    """What each process held at the most, above what it held before."""
    for pid in pids:
        Path(f"/proc/{pid}/clear_refs").write_text(RESET_PEAK)
    before = memory(pids, "VmRSS")
    parts = (BLOCK for _ in range(BLOCKS))
    answer = httpx.post(f"{base}/{service}/digest", content=parts, timeout=120, verify=tls.context())
    assert answer.json() == expected()
    return {pid: most - before[pid] for pid, most in memory(pids, "VmHWM").items()}


@pytest.fixture(scope="module")
def pids(stack: Stack) -> dict[str, set[int]]:
    """Service -> its processes, as this machine numbers them."""
    if os.geteuid() and stack.engine != "native":
        pytest.skip("only root sees the memory of a process in a container")
    found: dict[str, set[int]] = {}
    for row in stack.ps():
        first = int(row["id"]) if stack.engine == "native" else container_pid(row["id"])
        found.setdefault(row["service"], set()).update(family(first))
    return found


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("service", NAMES)
def test_a_large_body_is_held_by_nobody(front: Outside, pids, service: str, scheme: str) -> None:
    host, port = {"http": front.address, "https": front.tls}[scheme]

    grown = growth(pids["nginx"] | pids[service], f"{scheme}://{host}:{port}", service)

    assert {pid: f"{more / MIB:.0f} MiB" for pid, more in grown.items() if more > GROWTH} == {}


def test_an_edge_that_keeps_it_in_memory_is_caught(mutated, upstreams) -> None:  # noqa: F811
    mutation = ("snippets/client.conf", "client_body_buffer_size 128k;", "client_body_buffer_size 300m;")
    with mutated(*mutation, upstreams=upstreams, max_upload=2**30) as edge_:
        master = int((edge_.settings.pid).read_text())
        grown = growth(family(master), "http://{}:{}".format(*edge_.address), "flask")

    assert max(grown.values()) > GROWTH
