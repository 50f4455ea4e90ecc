"""Clients that ask what the oracle (tests/oracle.py) does not: slow answers, streams, pages; afterwards: what was lost."""

import re
import threading
from collections.abc import Callable, Sequence
from types import TracebackType

import httpx

# A client's pause: enough requests to meet every moment, few enough to leave the processors to the stack.
PAUSE_SECONDS = 0.005
Ask = Callable[[httpx.Client], httpx.Response]


class Load:
    """Every asker runs in a thread with a connection of its own, one request after the other, never retried."""

    def __init__(self, askers: Sequence[Ask]) -> None:
        self.stopped = threading.Event()
        self.answers: list[httpx.Response] = []
        self.lost: list[str] = []
        self.threads = [threading.Thread(target=self._run, args=(ask,), daemon=True) for ask in askers]

    def __enter__(self) -> "Load":
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stopped.set()
        for thread in self.threads:
            thread.join(40)

    def _run(self, ask: Ask) -> None:
        with httpx.Client(timeout=35) as client:
            while not self.stopped.wait(PAUSE_SECONDS):
                try:
                    answer = ask(client)
                    self.answers.append(answer)
                    if not answer.is_success:
                        self._lose(answer.request, f"{answer.status_code} {answer.text[:200]}")
                except httpx.TransportError as error:
                    self._lose(error.request, repr(error))

    def told(self, log: str) -> str:
        """Everything lost, and beside it what the edge wrote of it and of replicas that it could not use."""
        ids = re.findall(r'"request_id":"(\w+)"', "".join(self.lost))
        lines = [line for line in log.splitlines() if "[error]" in line or any(number in line for number in ids)]
        return "\n".join([*self.lost, *lines])

    def _lose(self, request: httpx.Request, why: str) -> None:
        self.lost.append(f"{request.method} {request.url.path}: {why}")


def get(url: str) -> Ask:
    return lambda client: client.get(url)


def echo(base: str) -> Ask:
    """A POST that leaves nothing behind: a proxy must not repeat it either."""
    return lambda client: client.post(f"{base}/echo", content=b"x" * 100)
