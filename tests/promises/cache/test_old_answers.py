"""What becomes of an answer that is out of date: see promise.md."""

import time
from collections.abc import Callable

import pytest

from tests import wire
from tests.config.edge import Repeat, Running
from tests.promises.cache.application import (
    FOR_A_SECOND,
    FOR_LONG,
    STANDS_IN,
    Application,
    application,
    crowd,
    held,
    kept,
    let_expire,
    say,
)
from tests.promises.conftest import Mutated
from tests.waiting import until

CACHE = "templates/snippets/cache.conf.template"
CROWD = 12
CORK_SECONDS = 0.2  # the kernel's limit for what tcp_nopush holds back
PATH = "/flask/said?old"


def one_of_a_crowd_asks_the_application(edge_: Running, app: Application) -> None:
    let_expire(edge_, PATH)
    app.asked.clear()
    app.says(STANDS_IN, b"second")
    app.free.clear()
    with crowd(edge_, PATH, CROWD) as asked:
        until(lambda: sum(each.done() for each in asked) == CROWD - 1)
        asked_while_held = len(app.asked)
        app.free.set()
    answers = [each.result() for each in asked]

    assert [each.body for each in answers] == [b"first"] * CROWD
    assert sorted(map(kept, answers)) == ["STALE", *["UPDATING"] * (CROWD - 1)]
    assert asked_while_held == 1
    until(lambda: edge_.ask(PATH).body == b"second")


def an_old_answer_comes_at_once(edge_: Running, app: Application) -> None:
    let_expire(edge_, PATH)
    with held(app), wire.connection(edge_.address) as client:
        before = time.monotonic()
        client.sendall(f"GET {PATH} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        head = wire.read_until(client, b"first")
        seconds = time.monotonic() - before

    assert wire.headers(head)["x-cache"] == "STALE"
    assert seconds < CORK_SECONDS


def an_old_answer_stands_in_where_nobody_is_left(edge_: Running, app: Application) -> None:
    let_expire(edge_, PATH)
    for name in ("flask-1", "flask-2"):
        edge_.replicas[name].shutdown()
        edge_.replicas[name].server_close()
    say(edge_, Repeat.at_reset)  # to connections that are still open
    answers = [edge_.ask(PATH) for _ in range(3)]

    assert [(each.status, kept(each), each.body) for each in answers] == [(200, "STALE", b"first")] * 3


def an_old_answer_stands_in_for_an_error(edge_: Running, app: Application) -> None:
    let_expire(edge_, PATH)
    app.says("no-store", b"broken", 503)
    answer = edge_.ask(PATH)

    assert (answer.status, kept(answer), answer.body) == (200, "STALE", b"first")


def an_answer_that_is_out_of_date_is_fetched(edge_: Running, app: Application) -> None:
    let_expire(edge_, PATH)
    app.says(FOR_LONG, b"second")
    answers = [edge_.ask(PATH) for _ in range(2)]

    assert [(kept(each), each.body) for each in answers] == [("EXPIRED", b"second"), ("HIT", b"second")]


def an_answer_that_is_still_the_same_is_not_sent_again(edge_: Running, app: Application) -> None:
    app.says(FOR_A_SECOND, ETag='"1"')
    let_expire(edge_, PATH)
    app.asked.clear()
    answer = edge_.ask(PATH, 'If-None-Match: "of the client"')
    (asked,) = app.asked

    assert (answer.status, kept(answer), answer.body) == (200, "REVALIDATED", b"first")
    assert asked.headers["If-None-Match"] == '"1"'
    assert kept(edge_.ask(PATH)) == "HIT"


def an_answer_that_is_gone_or_private_now_is_not_shown_for_ever(edge_: Running, app: Application) -> None:
    app.says("max-age=0, s-maxage=1, stale-while-revalidate=1")
    let_expire(edge_, PATH)
    app.says("private", b"gone", 404)

    until(lambda: edge_.ask(PATH).status == 404)


def an_answer_that_stops_to_opt_in_is_not_kept(edge_: Running, app: Application) -> None:
    app.says("max-age=0, s-maxage=1, stale-while-revalidate=3")
    let_expire(edge_, PATH)
    app.says("max-age=60", b"second")
    assert kept(edge_.ask(PATH)) == "STALE"
    until(lambda: edge_.ask(PATH).body == b"second")

    assert kept(edge_.ask(PATH)) != "HIT"


PROMISES: dict[Callable, str] = {
    one_of_a_crowd_asks_the_application: STANDS_IN,
    an_old_answer_comes_at_once: STANDS_IN,
    an_old_answer_stands_in_where_nobody_is_left: FOR_A_SECOND,
    an_old_answer_stands_in_for_an_error: FOR_A_SECOND,
    an_answer_that_is_out_of_date_is_fetched: FOR_A_SECOND,
    an_answer_that_is_still_the_same_is_not_sent_again: FOR_A_SECOND,
    an_answer_that_is_gone_or_private_now_is_not_shown_for_ever: FOR_A_SECOND,
    an_answer_that_stops_to_opt_in_is_not_kept: STANDS_IN,
}


QUICK = (an_old_answer_comes_at_once, an_old_answer_stands_in_where_nobody_is_left)  # a second goes by in each


@pytest.mark.parametrize("promise", QUICK, ids=lambda promise: promise.__name__)
def test_promise(mutated: Mutated, promise: Callable) -> None:
    with mutated() as edge_, application(edge_, PROMISES[promise]) as app:
        promise(edge_, app)


@pytest.mark.full
@pytest.mark.parametrize(
    "promise", [each for each in PROMISES if each not in QUICK], ids=lambda promise: promise.__name__
)
def test_slower_promise(mutated: Mutated, promise: Callable) -> None:
    with mutated() as edge_, application(edge_, PROMISES[promise]) as app:
        promise(edge_, app)


# What holds -> the same with one thing broken.
MUTATIONS = [
    (one_of_a_crowd_asks_the_application, CACHE, "background_update on", "background_update off"),
    (an_old_answer_comes_at_once, "snippets/cached.conf", "tcp_nopush off;", ""),
    (an_old_answer_comes_at_once, CACHE, "background_update on", "background_update off"),
    (an_old_answer_stands_in_where_nobody_is_left, CACHE, "stale error timeout", "stale timeout"),
    (an_old_answer_stands_in_for_an_error, CACHE, "http_503 ", ""),
    (an_answer_that_is_still_the_same_is_not_sent_again, CACHE, "revalidate on", "revalidate off"),
    (an_answer_that_is_still_the_same_is_not_sent_again, CACHE, "EXPIRED $upstream_cache_etag;", ""),
    (an_answer_that_is_gone_or_private_now_is_not_shown_for_ever, CACHE, "stale error", "stale updating error"),
    (an_answer_that_stops_to_opt_in_is_not_kept, CACHE, 's-maxage=[1-9]"', '(s-max|max-)age=[1-9]"'),
]


@pytest.mark.full
@pytest.mark.parametrize(("promise", "file", "good", "bad"), MUTATIONS)
def test_broken_promise_is_caught(mutated: Mutated, promise: Callable, file: str, good: str, bad: str) -> None:
    with mutated(file, good, bad) as edge_, application(edge_, PROMISES[promise]) as app, pytest.raises(AssertionError):
        promise(edge_, app)
