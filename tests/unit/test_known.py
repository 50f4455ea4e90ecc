"""What is marked in a stack on other servers: as many tests as have a reason, and no other."""

import re
from collections.abc import Callable
from fnmatch import fnmatchcase
from types import SimpleNamespace
from typing import Any

import pytest

from tests.contract import CHOSEN, ROOT
from tests.matrix.reasons import CONTRACT, STACK
from tests.matrix.suite import sentence
from tests.stack import known, test_chat, test_connections, test_forwarded, test_poll, test_sigterm

JOINED = test_forwarded.test_repeated_headers_are_joined_by_comma_and_space
REFUSED = test_chat.test_an_id_that_is_none_refuses_the_handshake_with_422


@pytest.fixture
def chosen(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    return lambda **servers: monkeypatch.setattr(known, "CHOSEN", CHOSEN | servers)


def marks(test: Callable[..., None], needs: str = "", **parameters: str) -> list[Any]:
    found: list[Any] = []
    item = SimpleNamespace(function=test, callspec=SimpleNamespace(params=parameters), add_marker=found.append)
    item.get_closest_marker = lambda name: name == needs
    known.mark(item)  # type: ignore[arg-type]
    return [(each.name, each.kwargs.get("strict")) for each in found]


def test_only_the_service_with_the_other_server_has_to_fail(chosen: Callable[..., None]):
    chosen(flask="granian")

    assert marks(JOINED, app="flask") == [("xfail", True)]
    assert marks(JOINED, app="django") == []


def test_the_default_servers_have_to_pass_everything():
    assert marks(JOINED, app="flask") == marks(REFUSED, asgi_app="fastapi", after="abc") == []


def test_a_case_is_found_by_its_value(chosen: Callable[..., None]):
    chosen(fastapi="daphne")

    assert marks(REFUSED, asgi_app="fastapi", after="abc") == [("xfail", True)]


def test_whom_a_test_asks_is_no_case_of_it(chosen: Callable[..., None]):
    chosen(flask="uwsgi")
    kept = test_connections.test_a_thousand_requests_open_fewer_than_twenty_connections

    assert marks(kept, app="flask") == [("xfail", True)]


def test_a_race_may_be_won(chosen: Callable[..., None]):
    chosen(flask="uwsgi")

    assert marks(test_sigterm.test_requests_that_arrive_meanwhile_are_not_lost, seen="flask") == [("xfail", False)]


def test_what_asks_nobody_by_name_asks_all(chosen: Callable[..., None]):
    everywhere = test_chat.test_a_message_posted_to_any_application_arrives_on_every_asgi_replica

    assert marks(everywhere) == []
    chosen(fastapi="granian")
    assert marks(everywhere) == [("xfail", True)]


def test_who_writes_is_not_who_is_asked(chosen: Callable[..., None]):
    chosen(flask="gunicorn-sync")

    assert marks(test_poll.test_waiting_polls_leave_threads_for_other_requests, app="django", writer="flask") == []


def test_a_server_without_websockets_is_asked_for_none(chosen: Callable[..., None], monkeypatch: pytest.MonkeyPatch):
    chosen(fastapi="gunicorn-a2wsgi")
    monkeypatch.setattr(known, "WITH_SOCKETS", ("django-asgi",))

    assert marks(REFUSED, "sockets", asgi_app="fastapi", after="") == [("skip", None)]
    assert marks(REFUSED, "sockets", asgi_app="django-asgi", after="") == []


def test_every_reason_is_about_a_test_that_is_there():
    named = re.compile(r"^def (test_\w+)", re.MULTILINE)
    files = (ROOT / "tests" / "stack").glob("test_*.py")
    there = [sentence(name, "") for path in files for name in named.findall(path.read_text())]

    for reason in CONTRACT + STACK:
        assert any(fnmatchcase(each, reason.about.partition(":")[0]) for each in there), reason.about
