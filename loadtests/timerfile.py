"""A timer that is a file (Linux, timerfd_create(2)): any event loop wakes when it can be read, to within some 0.1 ms.

Event loops' own timers round up to whole milliseconds, which a load generator would add to what it measures.
"""

import ctypes
import os
from typing import Any

CLOCK_MONOTONIC, ABSOLUTE = 1, 1
LIBC: Any = ctypes.CDLL(None)


def create() -> int:
    """Its descriptor; -1 where there is none."""
    if not hasattr(LIBC, "timerfd_create"):
        return -1
    return LIBC.timerfd_create(CLOCK_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC)


def ring_at(file: int, moment: float) -> None:
    """`moment` on time.monotonic(); one that is past rings at once. Setting it again ends its being readable."""
    seconds = int(moment)
    interval_then_value = (ctypes.c_long * 4)(0, 0, seconds, int((moment - seconds) * 1e9) or 1)
    LIBC.timerfd_settime(file, ABSOLUTE, interval_then_value, None)
