"""Who runs where: the generator gets a CPU of its own, where there are two or more, and the report says so."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from loadtests.stack import Stack

ALONE = "the stack and the generator share the only CPU"


@dataclass(frozen=True)
class Placement:
    generator: frozenset[int]
    stack: frozenset[int]
    sentence: str
    doubt: str = ""  # why every measurement is suspect


def choose(processes: int, local: bool, cpus: set[int] | None = None) -> Placement:
    """The last CPUs for the generator's processes, the others for the stack; half of them at least for the stack."""
    every = sorted(cpus or os.sched_getaffinity(0))
    if not local:
        return Placement(frozenset(every), frozenset(every), "the stack runs elsewhere; its cost is not measured")
    if len(every) < 2:
        return Placement(frozenset(every), frozenset(every), ALONE, ALONE)
    mine = every[-max(1, min(processes, len(every) // 2)) :]
    rest = every[: -len(mine)]
    doubt = "" if processes <= len(mine) else f"{processes} generator processes share {len(mine)} CPUs"
    return Placement(frozenset(mine), frozenset(rest), f"generator on {named(mine)}, stack on {named(rest)}", doubt)


def named(cpus: list[int]) -> str:
    return f"CPU {cpus[0]}" if len(cpus) == 1 else f"CPUs {', '.join(map(str, cpus))}"


@contextmanager
def placed(placement: Placement, stack: Stack | None) -> Iterator[None]:
    """This process, and with it the generator, on its CPUs; the stack on the others until the end."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, placement.generator)
    try:
        if stack and placement.stack != placement.generator:
            with stack.pinned(set(placement.stack)):
                yield
        else:
            yield
    finally:
        os.sched_setaffinity(0, before)
