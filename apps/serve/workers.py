"""How many worker processes a replica runs, and the sentence that says why."""

import math

from core.settings import MIB

from serve.cgroup import Limits

# Django with its pool and a request in each of 8 threads, measured at rest and doubled.
MEMORY_PER_WORKER = 128 * MIB
# Above that, add replicas: eight workers of two replicas each, doubled for a release, are what the
# 400 connections of PostgreSQL carry for four services with pools of four.
MOST = 8


def choose(wanted: int | None, per_cpu: bool, limits: Limits) -> tuple[int, str]:
    """Number of workers and the reasoning."""
    if wanted is not None:
        return wanted, f"workers {wanted}: WEB_CONCURRENCY says so"
    if not per_cpu:
        return 1, "workers 1: one event loop a replica; scale by replicas"
    by_cpu = max(1, math.ceil(limits.cpus))
    by_memory = MOST if limits.memory is None else max(1, limits.memory // MEMORY_PER_WORKER)
    number = min(by_cpu, by_memory, MOST)
    return number, f"workers {number}: {cpu_reason(limits)}, {memory_reason(limits)}, at most {MOST}"


def cpu_reason(limits: Limits) -> str:
    return f"one for each of {limits.cpus:g} CPUs ({limits.cpu_source})"


def memory_reason(limits: Limits) -> str:
    if limits.memory is None:
        return "no memory limit"
    return f"{MEMORY_PER_WORKER // MIB} MiB each of {limits.memory // MIB} MiB ({limits.memory_source})"
