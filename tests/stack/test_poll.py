"""/poll: messages as soon as there are any, 204 when there are none in time."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.apps import App


def test_poll_answers_at_once_when_there_is_something(app: App):
    first = app.say("one")
    second = app.say("two")
    began = time.monotonic()
    answer = app.get(f"/poll?after={first['id'] - 1}&timeout=25")

    assert answer.status_code == 200
    assert answer.json()["messages"][:2] == [first, second]
    assert time.monotonic() - began < 5


def test_poll_is_204_without_a_body_when_time_is_up(app: App):
    newest = app.newest()
    for timeout in (0, 1):
        began = time.monotonic()
        answer = app.get(f"/poll?after={newest}&timeout={timeout}")
        took = time.monotonic() - began

        assert (answer.status_code, answer.content) == (204, b"")
        assert timeout <= took < timeout + 2
        assert answer.headers["x-served-by"]


def test_poll_waits_for_what_is_newer_than_now_by_default(app: App):
    app.newest()

    assert app.get("/poll?timeout=0").status_code == 204


def test_poll_above_every_id_is_204(app: App):
    assert app.get(f"/poll?timeout=0&after={2**63 - 1}").status_code == 204


@pytest.mark.parametrize("writer", ("flask", "django", "django-asgi", "fastapi"))
def test_poll_is_woken_by_a_message_of_any_application(app: App, apps: dict[str, App], writer: str):
    after = app.newest()
    with ThreadPoolExecutor(1) as pool:
        poll = pool.submit(app.get, f"/poll?after={after}&timeout=20")
        row = apps[writer].say(f"by {writer}")
        told = time.monotonic()
        answer = poll.result()

    assert answer.json()["messages"] == [row]
    assert time.monotonic() - told < 3


def test_poll_from_now_gives_the_next_message(app: App):
    before = app.newest()
    with ThreadPoolExecutor(1) as pool:
        poll = pool.submit(app.get, "/poll?timeout=20")
        while not poll.done():
            app.say("next")
            time.sleep(0.05)  # nobody can see from outside that the poll has begun
        messages = poll.result().json()["messages"]

    assert messages[0]["id"] > before
    assert [row["id"] for row in messages] == sorted({row["id"] for row in messages})


def test_waiting_polls_leave_threads_for_other_requests(app: App):
    """More polls than a replica has threads: what does not wait is answered all the same."""
    after = app.newest()
    with ThreadPoolExecutor(12) as pool:
        polls = [pool.submit(app.get, f"/poll?after={after}&timeout=3") for _ in range(12)]

        assert app.get("/json").status_code == 200
        app.say("wake up")
        assert {poll.result().status_code for poll in polls} == {200}


@pytest.mark.full
def test_poll_of_25_seconds_is_not_cut_by_the_edge(app: App):
    began = time.monotonic()

    assert app.get(f"/poll?after={2**63 - 1}&timeout=25").status_code == 204
    assert 25 <= time.monotonic() - began < 28
