"""The oracle's load on a stack under test; afterwards: what was lost, missing or there twice."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from loadtests import stack as front_door
from loadtests.oracle import Judgement, Load
from loadtests.oracle.records import REQUESTS, Request, read
from tests.contract import ASGI, WITH_SOCKETS
from tests.engine import Stack

# Every moment is met, and the processors are left to the stack.
RATE, SOCKETS = 60, 6
COPIED_SECONDS = 0.5  # the load has waited for the log already, not for who copies it


@dataclass
class Watched:
    load: Load
    verdict: Judgement = field(init=False)  # when the block has ended

    @property
    def wrong(self) -> list[str]:
        """Everything that must not be, a line each; empty when nothing was lost and all is there once."""
        return [] if self.verdict.clean else [self.verdict.sentence(), *self.verdict.losses]

    def requests(self) -> list[Request]:
        return read(self.load.folder / REQUESTS, Request)


@contextmanager
def watched(stack: Stack, folder: Path, *services: str) -> Iterator[Watched]:
    """Requests to these services and readers of the chat, until the end of the block."""
    folder.mkdir(parents=True, exist_ok=True)
    log, asked = folder / "edge.log", front_door.Stack(stack.environ, stack.root)
    sockets = SOCKETS if WITH_SOCKETS == ASGI else 0
    load = Load(stack.url, stack.tls_url, services, RATE, sockets, folder=folder)
    with asked.edge_log(log, COPIED_SECONDS), load:
        seen = Watched(load)
        yield seen
    with log.open(errors="replace") as lines:
        seen.verdict = load.verdict(lines)
