"""Which port an instance has: ponte-flask@11001 is the first replica of flask in range A, @11101 the first in range B.

A release takes the range that the one before it left free, so two releases of all replicas fit beside each other, and a
look at a unit's name tells which of two runs in it. Fixed and not probed for: they stand in units that are enabled.
"""

from collections.abc import Iterator

from deploy.variables import MOST_REPLICAS

RANGES = {"A": 0, "B": 100}
FIRST = {"flask": 11000, "django": 12000, "django-asgi": 13000, "fastapi": 14000}  # as 8001 to 8004 in containers


def ports(service: str, letter: str) -> range:
    first = FIRST[service] + RANGES[letter] + 1
    return range(first, first + MOST_REPLICAS)


def letter(service: str, port: int) -> str:
    return next(each for each in RANGES if port in ports(service, each))


def order(service: str, siblings: set[int], others: set[int]) -> Iterator[int]:
    """Where a new replica is looked for: beside those of its release, else away from those of another."""
    ours, theirs = ({letter(service, port) for port in each} for each in (siblings, others))
    for each in sorted(RANGES, key=lambda each: (each not in ours, each in theirs, each)):
        yield from ports(service, each)
