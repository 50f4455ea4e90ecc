"""Memory of this process, and of the servers as the caller tells it."""

import asyncio
import gc
import inspect
import resource
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

ROLLUP = Path("/proc/self/smaps_rollup")
Told = Mapping[str, float]
Memory = Callable[[], Told | Awaitable[Told]]  # bytes by name, such as {"edge": 1e7, "app": 8e7}


def own() -> int:
    """Bytes of this process: PSS, else the largest RSS so far."""
    gc.collect()
    try:
        lines = ROLLUP.read_text().splitlines()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))


async def told(memory: Memory | None) -> dict[str, float]:
    """What the caller reads; a plain function runs in a thread, so that it may take its time."""
    if memory is None:
        return {}
    if inspect.iscoroutinefunction(memory):
        return dict(await memory())
    answer = await asyncio.to_thread(memory)
    return dict(await answer if inspect.isawaitable(answer) else answer)


def each(before: Told, after: Told, connections: int) -> dict[str, float]:
    """Bytes a connection, by name."""
    return {name: (after[name] - before[name]) / connections for name in after if name in before and connections}
