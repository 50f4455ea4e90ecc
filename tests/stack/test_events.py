"""GET /events: server-sent events under ASGI."""

import pytest

from tests.apps import App
from tests.contract import HEX_32, assert_error
from tests.engine import Stack
from tests.sse import Event, listen, on_each


def event(row: dict) -> Event:
    return Event(str(row["id"]), "message", row)


def test_a_stream_begins_with_retry_and_is_not_kept_by_anybody(asgi_app: App):
    with listen(asgi_app.base + "/events") as events:
        headers = events.answer.headers

        assert events.retry == "1000"
        assert headers["content-type"].partition(";")[0] == "text/event-stream"
        assert "no-" in headers["cache-control"]
        assert HEX_32.fullmatch(headers["x-request-id"])
        assert headers["x-served-by"].startswith(asgi_app.name + "/")


def test_a_message_of_any_application_arrives_once_and_in_order(asgi_app: App, apps: dict[str, App]):
    with listen(asgi_app.base + "/events") as events:
        rows = [app.say(f"event by {name}\nand \u2028 more") for name, app in apps.items()]

        assert [events.next() for _ in rows] == [event(row) for row in rows]


def test_a_stream_begins_now(asgi_app: App):
    asgi_app.say("before")
    with listen(asgi_app.base + "/events") as events:
        row = asgi_app.say("after")

        assert events.next() == event(row)


def test_a_client_that_comes_back_misses_nothing(asgi_app: App, apps: dict[str, App]):
    with listen(asgi_app.base + "/events") as events:
        first = apps["flask"].say("first")
        assert events.next() == event(first)
    missed = [apps["django"].say(f"missed {number}") for number in range(5)]

    with listen(asgi_app.base + "/events", last=first["id"]) as events:
        later = apps["flask"].say("later")

        assert [events.next() for _ in range(6)] == [event(row) for row in (*missed, later)]


def test_a_client_long_away_gets_everything_it_missed(asgi_app: App):
    before = asgi_app.newest()
    rows = [asgi_app.say(f"row {number}") for number in range(120)]

    with listen(asgi_app.base + "/events", last=before) as events:
        assert [events.next() for _ in rows] == [event(row) for row in rows]


@pytest.mark.parametrize("last", ("abc", "-1", "+5", "1_0", str(2**63)))
def test_a_last_event_id_that_is_no_id_is_422(asgi_app: App, last: str):
    assert_error(asgi_app.get("/events", headers={"Last-Event-ID": last}), 422)


def test_streams_on_every_replica_tell_the_same(asgi_app: App, stack: Stack):
    replicas = [row["replica"] for row in stack.replicas(asgi_app.name)]
    with on_each(asgi_app.base + "/events", replicas) as streams:
        row = asgi_app.say("everywhere")

        assert {name: events.next() for name, events in streams.items()} == dict.fromkeys(replicas, event(row))


def test_wsgi_says_why_it_has_no_events(wsgi_app: App):
    assert "ASGI" in assert_error(wsgi_app.get("/events", headers={"Accept": "text/event-stream"}), 501)["detail"]


@pytest.mark.full
def test_a_quiet_stream_has_a_comment_every_15_seconds(asgi_app: App):
    with listen(asgi_app.base + "/events") as events:
        assert [name for name, _ in events.block()] == [""]
