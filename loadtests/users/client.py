"""What a scenario calls as `self.client`: sends, times, records and tells Locust."""

import json as json_library
import re
import time
from collections.abc import Callable, Mapping
from typing import Any

from gevent import GreenletExit, getcurrent
from locust.env import Environment

from loadtests.measure.samples import DROPPED, NO_ID, UNANSWERED, UNFINISHED, Recorder
from loadtests.users.http import Answer, Connections, NoAnswer, exchange

REQUEST_ID = re.compile(rb"\r\nx-request-id: ([0-9a-f]{32})\r?", re.I)
SERVED_BY = re.compile(rb"\r\nx-served-by: ([^\r\n]+)", re.I)
clock = time.monotonic

Check = Callable[[Answer], str | None]  # what is wrong with an answer, if anything


class Wrong(Exception):
    """An answer came, and it is not the one that was wanted."""


class Arrival:
    """One arrival of the open model: when it was due, in which stage, and how many were under way."""

    __slots__ = ("in_flight", "intended", "stage")

    def __init__(self, intended: float, stage: int, in_flight: int):
        self.intended, self.stage, self.in_flight = intended, stage, in_flight


class Client:
    """`get`, `post` and `request`; latency counts from when the arrival was due, later requests from their own start."""

    def __init__(self, environment: Environment, url: str, recorder: Recorder | None):
        self.connections = Connections(url)
        self.recorder, self.fire = recorder, environment.events.request.fire
        self.stage = 0  # of requests that no arrival started

    def get(self, path: str, **options: Any) -> Answer | None:
        return self.request("GET", path, **options)

    def post(self, path: str, **options: Any) -> Answer | None:
        return self.request("POST", path, **options)

    def request(self, method: str, path: str, *, name: str = "", body: bytes = b"", json: Any = None,
                headers: Mapping[str, str] | None = None, check: Check | None = None) -> Answer | None:  # fmt: skip
        """None when no answer came. Failures are a status from 400 up and whatever `check` returns."""
        arrival = getcurrent().__dict__.pop("arrival", None)
        if json is not None:
            body, headers = json_library.dumps(json).encode(), {"Content-Type": "application/json", **(headers or {})}
        request = self.message(method, path, body, headers)
        sent, answer, wrong, status = clock(), None, None, UNANSWERED
        try:
            answer = exchange(self.connections, method, request)
            status, wrong = answer.status, failure(answer, check)
        except NoAnswer as error:
            wrong = error
        except GreenletExit:
            status = UNFINISHED
            raise
        finally:
            self.record(arrival, sent, clock(), status, name or path, answer, method, wrong)
        return answer

    def message(self, method: str, path: str, body: bytes, headers: Mapping[str, str] | None) -> bytes:
        target = self.connections.root + path if path else self.connections.whole  # "": the address itself
        head = f"{method} {target} HTTP/1.1\r\nHost: {self.connections.host}\r\nUser-Agent: ponte\r\n"
        for field, value in headers.items() if headers else ():
            head += f"{field}: {value}\r\n"
        if body or method == "POST":
            head += f"Content-Length: {len(body)}\r\n"
        return (head + "\r\n").encode("latin-1") + body

    def record(self, arrival: Arrival | None, sent: float, done: float, status: int, name: str,
               answer: Answer | None, method: str, wrong: Exception | None) -> None:  # fmt: skip
        intended = arrival.intended if arrival else sent
        if self.recorder:
            where = (arrival.stage, arrival.in_flight, 1) if arrival else (self.stage, 0, 0)
            served_by, request_id = told(answer) if answer else ("", NO_ID)
            self.recorder.add(intended, sent, done, status, name, served_by, *where, request_id=request_id)
        if status != UNFINISHED:
            self.fire(request_type=method, name=name, response_time=(done - intended) * 1000,
                      response_length=len(answer.body) if answer else 0, response=answer, exception=wrong,
                      context={}, start_time=time.time() - (done - intended), url=name)  # fmt: skip

    def drop(self, arrival: Arrival) -> None:
        """An arrival that found too many under way: never sent, and said so."""
        if self.recorder:
            self.recorder.add(arrival.intended, arrival.intended, arrival.intended, DROPPED, "(dropped)", "",
                              arrival.stage, arrival.in_flight)  # fmt: skip
        self.fire(request_type="-", name="(dropped)", response_time=None, response_length=0, context={},
                  exception=Wrong(f"{arrival.in_flight} requests were under way"))  # fmt: skip


def failure(answer: Answer, check: Check | None) -> Exception | None:
    why = f"{answer.status}" if answer.status >= 400 else check(answer) if check else None
    return Wrong(why) if why else None


def told(answer: Answer) -> tuple[str, bytes]:
    """(who served it, the request's id), as its head says."""
    served, number = SERVED_BY.search(answer.head), REQUEST_ID.search(answer.head + b"\r")
    return served[1].decode("latin-1") if served else "", bytes.fromhex(number[1].decode()) if number else NO_ID
