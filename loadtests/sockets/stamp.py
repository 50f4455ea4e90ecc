"""What a measured chat message says of itself: its sender, its number and when it was sent.

All processes of one machine share CLOCK_MONOTONIC, so a receiver knows the delivery time without a second clock.
"""

import time
from typing import NamedTuple
from uuid import uuid4

MARK = "ponte-stamp"
LONGEST = 2000  # characters the contract takes in `text`


class Stamp(NamedTuple):
    sender: str
    sequence: int
    sent: float  # seconds of CLOCK_MONOTONIC


def new_sender() -> str:
    return uuid4().hex[:16]


def write(sender: str, sequence: int, size: int = 0) -> str:
    """At least `size` characters long, 2000 at most."""
    text = f"{MARK} {sender} {sequence} {time.monotonic_ns()} "
    return text.ljust(min(size, LONGEST), ".")


def read(text: str) -> Stamp | None:
    """None for a message that anyone else wrote."""
    parts = text.split(" ", 4)
    if len(parts) != 5 or parts[0] != MARK or not (parts[2].isdigit() and parts[3].isdigit()):
        return None
    return Stamp(parts[1], int(parts[2]), int(parts[3]) / 1e9)
