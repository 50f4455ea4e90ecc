"""RFC 6455, case by case: what the server says by itself, and that the edge changes nothing of it."""

import time

from tests.matrix.boot import Up
from tests.matrix.findings import Found
from tests.promises.websocket_conformance.cases import CASES, Case
from tests.promises.websocket_conformance.frames import Event, Way

CHECK_SECONDS = 60
RESET = "reset"  # an end like any other: TCP says so when the last bytes were not read, and the edge then does not
SAID = 120  # characters of what was said


def websockets(up: Up) -> Found:
    found, until = Found(), time.monotonic() + CHECK_SECONDS
    if not up.pair.websockets:
        return found
    direct, through = Way(up.replica, "/ws/echo"), Way(up.address, f"{up.prefix}/ws/echo")
    for name, case in CASES.items():
        alone, behind = outcome(direct, case), outcome(through, case)
        found.ask(name, "" if alone == case.expected else f"{brief(alone)}, where {brief(case.expected)} is right")
        found.ask(
            f"through the edge: {name}", "" if behind == alone else f"{brief(behind)}, and {brief(alone)} without it"
        )
        if time.monotonic() > until:
            found.ask("the cases come to their end", f"they were left after {len(found.asked) // 2} of {len(CASES)}")
            break
    return found


def outcome(way: Way, case: Case) -> list[Event]:
    try:
        return [each for each in way.outcome(case.sent, case.answers, case.then) if each[0] != RESET]
    except (OSError, AssertionError) as error:
        return [("no conversation", f"{type(error).__name__} {error}"[:SAID])]


def brief(events: list[Event]) -> str:
    said = ", ".join(name if what is None else f"{name} {what!r}" for name, what in events) or "nothing"
    return said if len(said) <= SAID else f"{said[:SAID]}…"
