"""Requests that go on while something happens to the stack; afterwards: what was lost."""

import threading
import uuid
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

    def _lose(self, request: httpx.Request, why: str) -> None:
        self.lost.append(f"{request.method} {request.url.path}: {why}")

    def lost_of(self, method: str) -> list[str]:
        return [line for line in self.lost if line.startswith(method)]


def get(url: str) -> Ask:
    return lambda client: client.get(url)


def echo(base: str) -> Ask:
    """A POST that leaves nothing behind: a proxy must not repeat it either."""
    return lambda client: client.post(f"{base}/echo", content=b"x" * 100)


def post(base: str, author: str) -> Ask:
    """Messages, each with a text of its own, so that one carried out twice shows up as two rows."""
    return lambda client: client.post(f"{base}/messages", json={"author": author, "text": str(uuid.uuid4())})


def mixed(base: str, author: str = "load") -> list[Ask]:
    return [get(f"{base}/json"), get(f"{base}/query?n=1"), post(base, author), post(base, author)]
