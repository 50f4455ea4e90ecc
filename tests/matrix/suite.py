"""The core of the contract suite, asked of one pair: the tests of tests/stack/ themselves, called without pytest."""

import inspect
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from itertools import product
from types import ModuleType
from typing import Any

import httpx
import pytest

from tests.apps import App
from tests.contract import APPLICATIONS
from tests.engine import Stack
from tests.matrix.boot import Up
from tests.matrix.findings import Found
from tests.stack import (
    test_answers,
    test_echo,
    test_events,
    test_forwarded,
    test_integers,
    test_routing,
    test_streams,
    test_websockets,
)

Call = tuple[str, Callable[..., None], dict[str, Any]]
MODULES = (test_answers, test_routing, test_integers, test_echo, test_forwarded, test_streams)
SOCKETS = (test_websockets,)
EVENTS = (test_events.test_a_last_event_id_that_is_no_id_is_422, test_events.test_wsgi_says_why_it_has_no_events)
STREAMS = (test_events.test_a_stream_begins_with_retry_and_is_not_kept_by_anybody,)
NEEDS_DATABASE = ("a plain get is 426 under asgi and 501 under wsgi", "a handshake with wsgi is 501")  # /ws/chat too
ANSWER_SECONDS, CHECK_SECONDS = 10, 45  # a server that hangs costs no more
ENOUGH = 25  # findings


def contract(up: Up) -> Found:
    """Through the edge, as a client sees it."""
    found, until = Found(), time.monotonic() + CHECK_SECONDS
    service = replace(APPLICATIONS[up.pair.framework], has_database=False)
    with httpx.Client(timeout=ANSWER_SECONDS, trust_env=False) as http:
        app = App(service, http, up.url)
        given = {
            "app": app,
            f"{up.pair.interface}_app": app,
            "stack": Stack("native", up.url[: -len(up.prefix)], ours=False),
        }
        for about, call, values in calls(up, given):
            if any(map(app.service.lacks, asked(call, values))) or about.partition(":")[0] in NEEDS_DATABASE:
                continue
            found.ask(about, twice(lambda call=call, values=values: call(**values), found))
            if time.monotonic() > until or len(found.findings) >= ENOUGH:
                found.ask("the suite comes to its end", f"it was left after {len(found.asked)} tests")
                break
    return found


def calls(up: Up, given: Mapping[str, Any]) -> Iterator[Call]:
    for test in tests(up):
        for label, values in parametrized(test):
            wanted = inspect.signature(test).parameters.keys()
            if wanted <= given.keys() | values.keys():
                yield sentence(test.__name__, label), test, {name: (given | values)[name] for name in wanted}


def tests(up: Up) -> Iterator[Callable[..., None]]:
    for module in MODULES + (SOCKETS if up.pair.websockets else ()):
        yield from of_module(module)
    yield from EVENTS + (STREAMS if up.has_events else ())


def of_module(module: ModuleType) -> list[Callable[..., None]]:
    return [
        each for name, each in vars(module).items() if name.startswith("test_") and each.__module__ == module.__name__
    ]


def parametrized(test: Callable[..., None]) -> Iterator[tuple[str, dict[str, Any]]]:
    """As pytest would: every combination of what its marks name."""
    marks = [each for each in getattr(test, "pytestmark", ()) if each.name == "parametrize"]
    for rows in product(*(list(each.args[1]) for each in marks)):
        values: dict[str, Any] = {}
        for mark, row in zip(marks, rows, strict=True):
            names = (
                [name.strip() for name in mark.args[0].split(",")] if isinstance(mark.args[0], str) else mark.args[0]
            )
            values |= dict(zip(names, row if len(names) > 1 else (row,), strict=True))
        yield label(values.values()), values


def label(values: Iterable[Any]) -> str:
    return ", ".join(f"{value!r:.40}" for value in values)


def asked(test: Callable[..., None], values: Mapping[str, Any]) -> list[str]:
    marks = [each for each in getattr(test, "pytestmark", ()) if each.name == "asks"]
    return [str(values.get("path", "/")), *(path for mark in marks for path in mark.args)]


def sentence(name: str, label: str) -> str:
    return name.removeprefix("test_").replace("_", " ") + (f": {label}" if label else "")


def twice(call: Callable[[], None], found: Found) -> str:
    """A busy machine may be late once, and that is counted; what fails again is a finding."""
    if not outcome(call):
        return ""
    found.figures["asked_again"] = found.figures.get("asked_again", 0) + 1
    return outcome(call)


def outcome(call: Callable[[], None]) -> str:
    """Empty when the promise is kept, else what was not so."""
    with suppress(pytest.skip.Exception):
        try:
            call()
        except AssertionError as error:
            line = traceback.extract_tb(error.__traceback__)[-1].line or "assertion"
            return f"not so: {line}{f' ({error})' if str(error) else ''}"[:300]
        except (pytest.fail.Exception, Exception) as error:
            return f"{type(error).__name__}: {error}"[:300]
    return ""
