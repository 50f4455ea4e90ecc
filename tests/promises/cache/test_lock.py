"""Many first requests for one address, with and without snippets/cache-lock.conf: see promise.md."""

import time

import pytest

from tests.config.edge import Answer, Running
from tests.promises.cache.application import FOR_LONG, application, crowd
from tests.promises.conftest import Mutated
from tests.waiting import until

CACHED = ("snippets/cached.conf", "proxy_cache $cache;")
WITH_LOCK = (*CACHED, "proxy_cache $cache; include snippets/cache-lock.conf;")
CROWD = 8
POLL_SECONDS = 0.5  # how often nginx looks whether a lock is free
LOCK_SECONDS = 2


def together(edge_: Running, path: str) -> tuple[list[Answer], float]:
    """The answers to a crowd of requests for an address nobody asked for before, and how long they took."""
    before = time.monotonic()
    with crowd(edge_, path, CROWD) as asked:
        answers = [each.result() for each in asked]
    return answers, time.monotonic() - before


def test_requests_for_what_is_not_kept_do_not_wait_for_each_other(mutated: Mutated) -> None:
    with mutated() as edge_, application(edge_, "private") as app:
        answers, seconds = together(edge_, "/flask/said")

    assert [each.status for each in answers] == [200] * CROWD
    assert len(app.asked) == CROWD
    assert seconds < POLL_SECONDS


@pytest.mark.full
def test_with_a_lock_they_would(mutated: Mutated) -> None:
    with mutated(*WITH_LOCK) as edge_, application(edge_, "private") as app:
        answers, seconds = together(edge_, "/flask/said")

    assert [each.status for each in answers] == [200] * CROWD
    assert len(app.asked) == CROWD
    assert seconds > POLL_SECONDS, f"no reason to do without a lock: {seconds:.2f} s"


def test_where_all_is_kept_one_of_many_first_requests_reaches_the_application(mutated: Mutated) -> None:
    with mutated(*WITH_LOCK) as edge_, application(edge_, FOR_LONG) as app:
        app.free.clear()
        with crowd(edge_, "/flask/said", CROWD) as asked:
            until(lambda: app.asked)
            app.free.set()
        answers = [each.result() for each in asked]

    assert len(app.asked) == 1
    assert sorted(each.headers["x-cache"] for each in answers) == ["HIT"] * (CROWD - 1) + ["MISS"]


@pytest.mark.full
def test_without_the_lock_all_of_them_do(mutated: Mutated) -> None:
    with mutated() as edge_, application(edge_, FOR_LONG) as app:
        app.free.clear()
        with crowd(edge_, "/flask/said", CROWD):
            until(lambda: len(app.asked) == CROWD)
            app.free.set()


@pytest.mark.full
def test_nobody_waits_longer_than_two_seconds_for_another(mutated: Mutated) -> None:
    with mutated(*WITH_LOCK, hurry=False) as edge_, application(edge_, FOR_LONG) as app:
        app.free.clear()
        before = time.monotonic()
        with crowd(edge_, "/flask/said", CROWD):
            until(lambda: len(app.asked) == CROWD)
            seconds = time.monotonic() - before
            app.free.set()

    assert LOCK_SECONDS - POLL_SECONDS < seconds < LOCK_SECONDS + 2 * POLL_SECONDS
