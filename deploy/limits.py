"""Refuses a stack whose connections PostgreSQL could not serve."""

from collections.abc import Mapping
from dataclasses import dataclass

from deploy.errors import Refused

MAX_CONNECTIONS = 400
RESERVED = 10  # superuser slots, migrations, psql, a backup
LISTENER = 1  # each process holds one connection that listens for messages


@dataclass(frozen=True)
class Demand:
    """What one service may open at most."""

    replicas: int
    workers: int
    pool: int

    @property
    def connections(self) -> int:
        return self.replicas * self.workers * (self.pool + LISTENER)

    def __str__(self) -> str:
        return f"{self.replicas} x {self.workers} x ({self.pool} + {LISTENER})"


def check(demands: Mapping[str, Demand]) -> None:
    """A release runs every service twice for a moment, so the sum counts double."""
    total = 2 * sum(each.connections for each in demands.values()) + RESERVED
    if total <= MAX_CONNECTIONS:
        return
    parts = ", ".join(f"{name} {each}" for name, each in demands.items())
    raise Refused(
        f"replicas x workers x (DATABASE_POOL + {LISTENER}) doubled for a release, plus {RESERVED}, "
        f"is {total} connections ({parts}); PostgreSQL takes {MAX_CONNECTIONS}: "
        "lower replicas, WEB_CONCURRENCY or DATABASE_POOL"
    )
