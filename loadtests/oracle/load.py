"""The load and its verdict, for tests, drills and the command line."""

import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from select import select
from types import TracebackType
from typing import Any
from uuid import uuid4

import httpx

from loadtests.errors import Stop
from loadtests.oracle.client import DRAIN_SECONDS, LOG_SECONDS, Plan, context
from loadtests.oracle.http1 import SECONDS
from loadtests.oracle.judge import Judgement, Mark, judge
from loadtests.oracle.records import LISTENERS, REQUESTS, SUMMARY, Listener, Request, Summary, read
from loadtests.services import ONE_OF_EACH

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 60
END_SECONDS = SECONDS + DRAIN_SECONDS + LOG_SECONDS + 10
PAGE = 500
READ_SECONDS, AGAIN_SECONDS = 15, 0.5  # longer than nginx's defaults set a replica aside for, 10 s


class Load:
    """`with Load(...) as load:` everything is connected and goes on until the end of the block.

    In a process of its own, so that what is done meanwhile never holds it back; it ends with us, however we end.
    """

    def __init__(
        self, url: str, tls_url: str, services: Sequence[str] = (*ONE_OF_EACH.values(),), rate: float = 200,
        sockets: int = 50, *, folder: Path,
    ) -> None:  # fmt: skip
        self.folder = folder.resolve()
        epoch = time.time() - time.monotonic()
        author = f"oracle {uuid4().hex[:8]}"
        self.plan = Plan(
            url.rstrip("/"), tls_url.rstrip("/"), tuple(services), rate, sockets, str(self.folder), author, epoch
        )
        self.marks: list[Mark] = []
        self.started = self.plan.now()

    def __enter__(self) -> "Load":
        """Raises Stop when the stack does not answer to begin with."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with self.errors.open("wb") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "loadtests.oracle.process", str(self.plan)], cwd=ROOT, text=True,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, start_new_session=True,
            )  # fmt: skip
        try:
            self.wait_ready()
        except BaseException:
            self.process.kill()
            self.end()
            raise
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.end()

    @property
    def errors(self) -> Path:
        return self.folder / "errors.log"

    def wait_ready(self) -> None:
        assert self.process.stdout
        readable, _, _ = select([self.process.stdout], [], [], START_SECONDS)
        word = self.process.stdout.readline().strip() if readable else f"not ready in {START_SECONDS} s"
        if word != "ready":
            raise Stop(word or f"the load client failed: {self.last_words()}")

    def end(self) -> None:
        assert self.process.stdin and self.process.stdout
        self.process.stdin.close()
        try:
            self.process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()

    def last_words(self) -> str:
        told = self.errors.read_text(errors="replace").strip()
        return told.rpartition("\n")[2] or f"code {self.process.poll()}"

    def mark(self, word: str) -> None:
        """Notes that something is done now; losses are told by their distance from it."""
        self.marks.append(Mark(word, self.plan.now()))

    def verdict(self, edge_lines: Iterable[str] | None) -> Judgement:
        """After the block; reads the rows itself. Without the edge's lines nothing can be called unexplained.

        Raises Stop when the client did not come to its end: what it missed then was not lost, and not kept either.
        """
        if self.process.returncode:
            raise Stop(f"the load client ended by itself: {self.last_words()}")
        (summary,) = read(self.folder / SUMMARY, Summary)
        requests = read(self.folder / REQUESTS, Request)
        listeners = read(self.folder / LISTENERS, Listener)
        rows = list(self.rows(summary.first))
        return judge(requests, edge_lines, rows, listeners, summary, asked=self.plan.rate, marks=self.marks)

    def rows(self, after: int) -> Iterator[dict[str, Any]]:
        """Every message above an id, whoever wrote it."""
        url = f"{self.plan.url}/{self.plan.services[0]}/messages"
        with httpx.Client(timeout=SECONDS, trust_env=False, verify=context()) as client:
            while page := self.page(client, url, after):
                yield from page
                after = page[-1]["id"]

    def page(self, client: httpx.Client, url: str, after: int) -> list[dict[str, Any]]:
        """Asked for again for a while: whatever was broken may still be on its way back."""
        end = time.monotonic() + READ_SECONDS
        while True:
            try:
                answer = client.get(url, params={"after": after, "limit": PAGE})
                return answer.raise_for_status().json()["messages"]
            except httpx.HTTPError as error:
                if time.monotonic() > end:
                    first = str(error).partition("\n")[0]
                    raise Stop(f"the messages cannot be read afterwards: {first}") from None
                time.sleep(AGAIN_SECONDS)
