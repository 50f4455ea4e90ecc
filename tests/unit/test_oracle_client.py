"""The oracle's client on its own: its schedule, and what it makes of answers."""

import asyncio
import io
import json
import time
from collections.abc import Callable

import pytest

from loadtests.oracle import client
from loadtests.oracle.client import Client, Plan
from loadtests.oracle.http1 import Answer, Lost

RATE = 100.0


class Stub:
    """In place of every kind of HTTP: `act` answers."""

    url = "stub:"

    def __init__(self, act: Callable[[str, bytes | None], Answer]) -> None:
        self.act = act

    async def ask(self, method: str, path: str, body: bytes | None, headers: object) -> Answer:
        await asyncio.sleep(0)
        return self.act(method, body)

    async def close(self) -> None: ...


def right(method: str, body: bytes | None) -> Answer:
    told = {"id": 7, **json.loads(body)} if body else client.MESSAGE
    return Answer(201 if body else 200, {"x-served-by": "flask/flask-1/1"}, json.dumps(told).encode())


def made(act: Callable[[str, bytes | None], Answer], notes: io.StringIO | None = None) -> Client:
    made = Client(
        Plan("http://127.0.0.1:1", "https://127.0.0.1:1", ("flask",), RATE, 0, "", "oracle", 0), notes or io.StringIO()
    )
    made.kinds = dict.fromkeys(made.kinds, Stub(act))  # type: ignore[arg-type]
    return made


def sent(one: Client, seconds: float) -> float:
    """Requests/s."""

    async def run() -> float:
        stopped = asyncio.Event()
        asyncio.get_running_loop().call_later(seconds, stopped.set)
        one.readers = []
        rate, _ = await one.send(stopped)
        await one.drain()
        return rate

    return asyncio.run(run())


@pytest.fixture(autouse=True)
def no_log(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "LOG_SECONDS", 0.0)


def test_requests_that_hang_do_not_hold_up_the_others() -> None:
    waiting: list[asyncio.Event] = []

    class Hanging(Stub):
        async def ask(self, *_: object) -> Answer:
            waiting.append(asyncio.Event())
            await asyncio.wait_for(waiting[-1].wait(), 0.5)
            raise AssertionError

    one = made(right)
    one.kinds = dict.fromkeys(one.kinds, Hanging(right))  # type: ignore[arg-type]

    assert sent(one, 0.5) > RATE / 4 and len(waiting) > 10


def test_a_client_that_got_no_cpu_says_so_and_does_not_catch_up_in_a_storm() -> None:
    naps = [0.6]

    def nap(method: str, body: bytes | None) -> Answer:
        time.sleep(naps.pop() if naps else 0)
        return right(method, body)

    one = made(nap)
    rate = sent(one, 1.0)

    assert one.late >= 0.5
    assert rate < RATE * 0.65  # 0.4 s of its own, and 0.1 s of what was left behind


@pytest.mark.parametrize(
    ("method", "answer", "error"),
    [
        ("GET", Answer(200, {}, b"{}"), "the answer is another's"),
        ("GET", Answer(200, {}, b'{"message":'), "the answer is not whole"),
        ("POST", Answer(201, {}, b'{"id":7,"text":"of somebody else"}'), "the answer is another's"),
        ("POST", Answer(201, {}, b"{}"), "the answer is not whole"),
        ("POST", Answer(500, {}, b"{}"), ""),
    ],
)
def test_an_answer_that_is_not_the_one_that_was_asked_for_is_a_loss(method: str, answer: Answer, error: str) -> None:
    one = made(lambda *_: answer)
    case = next(each for each in one.cases if each.method == method)

    found = asyncio.run(one.asked(case))

    assert found.lost and found.error == error and found.status == answer.status


@pytest.mark.parametrize(
    ("error", "word", "was_sent"),
    [(Lost("ConnectError", sent=False), "ConnectError", False), (Lost("ReadError"), "ReadError", True),
     (KeyError("of a library"), "KeyError: 'of a library'", True)],
)  # fmt: skip
def test_a_request_that_failed_is_noted_whatever_failed(error: Exception, word: str, was_sent: bool) -> None:
    def fail(*_: object) -> Answer:
        raise error

    one = made(fail)
    found = asyncio.run(one.asked(one.cases[0]))

    assert (found.status, found.error, found.sent, found.lost) == (0, word, was_sent, True)


def test_a_run_whose_notes_cannot_be_written_is_none() -> None:
    class Full(io.StringIO):
        def write(self, _: str) -> int:
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        sent(made(right, Full()), 0.1)


def test_every_service_method_and_kind_has_its_turn() -> None:
    notes = io.StringIO()
    one = made(right, notes)
    sent(one, 0.2)

    told = [json.loads(each) for each in notes.getvalue().splitlines()]

    assert {(each["path"], each["kind"]) for each in told} == {(each.path, each.kind) for each in one.cases}
    assert len({each["id"] for each in told}) == len(told) and one.until == 7


def test_what_is_under_way_at_the_end_is_waited_for_and_noted() -> None:
    begun: list[str] = []

    class Slow(Stub):
        async def ask(self, method: str, path: str, body: bytes | None, headers: object) -> Answer:
            begun.append(path)
            await asyncio.sleep(0.3)
            return right(method, body)

    notes = io.StringIO()
    one = made(right, notes)
    one.kinds = dict.fromkeys(one.kinds, Slow(right))  # type: ignore[arg-type]
    sent(one, 0.1)

    assert len(begun) == notes.getvalue().count("\n") > 0
