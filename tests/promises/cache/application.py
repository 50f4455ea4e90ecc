"""An application whose answers a test chooses, behind an edge that may keep them."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.config.edge import Answer, Outside, Repeat, Running
from tests.waiting import until

FOR_LONG = "max-age=0, s-maxage=60"
FOR_A_SECOND = "max-age=0, s-maxage=1"
STANDS_IN = "max-age=0, s-maxage=1, stale-while-revalidate=60"


@dataclass
class Application:
    """What flask answers at /said, and what it was asked."""

    status: int = 200
    body: bytes = b"first"
    headers: dict[str, str] = field(default_factory=lambda: {"Cache_Control": FOR_LONG})
    asked: list[Repeat] = field(default_factory=list)
    free: threading.Event = field(default_factory=threading.Event)

    def __call__(self, request: Repeat) -> None:
        self.asked.append(request)
        status, body, headers = self.status, self.body, dict(self.headers)
        self.free.wait(10)
        if headers.get("ETag") and request.headers["If-None-Match"] == headers["ETag"]:
            status, body = 304, b""
        request.answer(status, body, **headers)

    def says(self, cache_control: str, body: bytes = b"first", status: int = 200, **headers: str) -> None:
        self.status, self.body, self.headers = status, body, {"Cache_Control": cache_control, **headers}


@contextmanager
def application(edge_: Running, cache_control: str = FOR_LONG, **headers: str) -> Iterator[Application]:
    app = Application()
    app.says(cache_control, **headers)
    app.free.set()
    say(edge_, app)
    yield app
    app.free.set()


def say(edge_: Running, answer: Callable[[Repeat], None]) -> None:
    for each in edge_.replicas.values():
        each.said = answer


@contextmanager
def held(app: Application) -> Iterator[None]:
    """Until the end of the block nothing is answered."""
    app.free.clear()
    yield
    app.free.set()


def kept(answer: Answer) -> str | None:
    return answer.headers.get("x-cache")


def twice(edge_: Outside, path: str, *lines: str, **words: str) -> list[str | None]:
    """What became of a request, and of the same once more."""
    return [kept(edge_.ask(path, *lines, **words)) for _ in range(2)]


def let_expire(edge_: Outside, path: str) -> None:
    """Keeps the answer of `path` until it is out of date, and asks for another, kept after it, to find out when."""
    for each in (path, path + "-later"):
        edge_.ask(each)
    until(lambda: kept(edge_.ask(path + "-later")) != "HIT")


@contextmanager
def crowd(edge_: Outside, path: str, number: int) -> Iterator[list[Future[Answer]]]:
    """So many clients at once."""
    with ThreadPoolExecutor(number) as pool:
        yield [pool.submit(edge_.ask, path) for _ in range(number)]
