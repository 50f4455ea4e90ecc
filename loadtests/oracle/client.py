"""The client: an open model of requests in every kind of HTTP, beside readers of the chat."""

import asyncio
import json
import resource
import ssl
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from itertools import cycle, product
from typing import NamedTuple, Protocol, TextIO
from uuid import uuid4

from loadtests.errors import Stop
from loadtests.oracle.http1 import Answer, Http1, Lost, words
from loadtests.oracle.http2 import Http2
from loadtests.oracle.listeners import readers
from loadtests.oracle.records import METHODS, Request, Summary, line
from loadtests.sockets.pacing import until

MESSAGE = {"message": "Hello, World!"}  # of GET /json
READY_SECONDS = 10.0
DRAIN_SECONDS = 10.0  # for the readers to come back and catch up
CATCH_UP_SECONDS = 0.1  # longer than the client's own work ever takes
LOG_SECONDS = 1.5  # nginx writes its log once a second


@dataclass(frozen=True)
class Plan:
    url: str
    tls_url: str
    services: tuple[str, ...]
    rate: float  # requests/s
    sockets: int
    folder: str
    author: str  # of every message
    epoch: float  # time.time() - time.monotonic() at the start: all clocks of a run go on together, whatever is set

    def now(self) -> float:
        return self.epoch + time.monotonic()

    def __str__(self) -> str:
        return json.dumps(asdict(self))


class Asker(Protocol):
    url: str

    async def ask(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> Answer: ...
    async def close(self) -> None: ...


class Case(NamedTuple):
    service: str
    method: str
    kind: str

    @property
    def path(self) -> str:
        return f"/{self.service}/{METHODS[self.method]}"


def context(*protocols: str) -> ssl.SSLContext:
    """Whose certificate it is, is another question. (!) One for each user: httpx writes its protocols into it."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname, made.verify_mode = False, ssl.CERT_NONE
    made.set_alpn_protocols(protocols)
    return made


def kinds(plan: Plan) -> dict[str, Asker]:
    return {
        "keep-alive": Http1(plan.url, context()),
        "close": Http1(plan.url, context(), Connection="close"),
        "http/2": Http2(plan.tls_url, context("h2")),
    }


class Client:
    def __init__(self, plan: Plan, notes: TextIO) -> None:
        self.plan, self.notes = plan, notes
        self.kinds = kinds(plan)
        self.cases = [Case(*each) for each in product(plan.services, METHODS, self.kinds)]
        self.pending: set[asyncio.Task[None]] = set()
        self.unnoted: list[BaseException] = []  # why a request could not be written down: then the run is worth nothing
        self.until = 0  # the highest id that a write was told
        self.late = 0.0  # seconds behind the schedule, at the worst

    async def run(self, stopped: asyncio.Event) -> Summary:
        first = await self.greet()
        tls = context()
        self.readers = readers(self.plan.url, self.plan.sockets, first, self.plan.author, self.plan.now, tls)
        reading = [asyncio.create_task(each.run()) for each in self.readers]
        try:
            await self.connected()
            print("ready", flush=True)
            rate, cpu = await self.send(stopped)
            await self.drain()
        finally:
            for each in reading:
                each.cancel()
            await asyncio.gather(*reading, return_exceptions=True)
        return Summary(first, self.until, rate, cpu, self.late)

    async def greet(self) -> int:
        """One request of each case, in turn; the id of a first message."""
        for each in self.cases:
            request = await self.asked(each)
            if request.lost:
                why = request.error or f"it answered {request.status}"
                raise Stop(
                    f"{each.method} {self.kinds[each.kind].url}{each.path} ({each.kind}): {why}; is the stack up?"
                )
        return self.until

    async def connected(self) -> None:
        if not await until(lambda: all(each.connected.is_set() for each in self.readers), READY_SECONDS):
            told = [f"{each.url}: {each.record.closed[-1][1]}" for each in self.readers if each.record.closed]
            raise Stop(f"not every reader of the chat could connect: {(told or ['no answer'])[0]}")

    async def send(self, stopped: asyncio.Event) -> tuple[float, float]:
        """An open model: each has its time, whatever became of those before. The rate, and CPU seconds in each second.

        Only a client that got no CPU for long leaves some out: all at once they would be another load than was asked for.
        """
        due = start = time.monotonic()
        cpu, sent = cpu_seconds(), 0
        for case in cycle(self.cases):
            with suppress(TimeoutError):
                async with asyncio.timeout_at(due):
                    await stopped.wait()
                break
            task = asyncio.create_task(self.one(case, due))
            self.pending.add(task)
            task.add_done_callback(self.done)
            sent += 1
            due = max(due + 1 / self.plan.rate, time.monotonic() - CATCH_UP_SECONDS)
        seconds = time.monotonic() - start
        return sent / seconds, (cpu_seconds() - cpu) / seconds

    def done(self, task: asyncio.Task[None]) -> None:
        self.pending.discard(task)
        if error := task.exception():
            self.unnoted.append(error)

    async def one(self, case: Case, due: float) -> None:
        self.late = max(self.late, time.monotonic() - due)
        self.notes.write(line(await self.asked(case)) + "\n")

    async def asked(self, case: Case) -> Request:
        number, at = str(uuid4()), self.plan.now()
        answer, error, sent = Answer(0, {}, b""), "", True
        try:
            answer = await self.answer(case, number)
            error = "" if answer.status >= 300 else self.wrong(case, number, answer.body)
        except Lost as lost:
            error, sent = str(lost), lost.sent
        except Exception as unknown:  # of a library: a request that ended, and must not be left out
            error = words(unknown)
        headers = answer.headers
        return Request(
            number, at, case.method, case.path, case.kind, answer.status, headers.get("x-served-by", ""),
            headers.get("x-request-id", ""), self.plan.now() - at, error, sent,
        )  # fmt: skip

    async def answer(self, case: Case, number: str) -> Answer:
        body, headers = None, dict[str, str]()
        if case.method == "POST":
            body = json.dumps({"author": self.plan.author, "text": number}).encode()
            headers = {"Content-Type": "application/json"}
        return await self.kinds[case.kind].ask(case.method, f"{case.path}?oracle={number}", body, headers)

    def wrong(self, case: Case, number: str, body: bytes) -> str:
        """What is wrong with a 2xx; empty when nothing is."""
        try:
            told = json.loads(body)
            if case.method == "GET":
                return "" if told == MESSAGE else "the answer is another's"
            self.until = max(self.until, told["id"])
            return "" if told["text"] == number else "the answer is another's"
        except (ValueError, KeyError, TypeError):
            return "the answer is not whole"

    async def drain(self) -> None:
        """Every answer, every message to every reader, and the edge's log on disk."""
        await asyncio.gather(*self.pending, return_exceptions=True)
        if self.unnoted:
            raise self.unnoted[0]
        answered = time.monotonic()
        self.until = max([self.until, *(each.last for each in self.readers)])
        await until(lambda: all(each.last >= self.until for each in self.readers), DRAIN_SECONDS)
        await asyncio.sleep(answered + LOG_SECONDS - time.monotonic())

    async def close(self) -> None:
        for each in self.kinds.values():
            await each.close()


def cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
