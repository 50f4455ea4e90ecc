"""What an application says when the database does not answer; nothing listens at its address here."""

import time

import pytest

from tests.apps import App
from tests.contract import assert_error

READS = ("/query?n=1", "/messages", "/poll?timeout=0", "/jobs/00000000-0000-4000-8000-000000000000")


@pytest.mark.full  # each waits for the pool's own deadline
@pytest.mark.parametrize("path", READS)
def test_a_route_that_needs_the_database_is_503_and_says_when_to_try_again(app: App, path: str):
    answer = app.get(path)

    assert_error(answer, 503)
    assert int(answer.headers["retry-after"]) >= 1


@pytest.mark.full
@pytest.mark.parametrize(("path", "body"), (("/messages", {"author": "a", "text": "b"}), ("/jobs", {"ms": 0})))
def test_nothing_is_accepted_that_cannot_be_stored(app: App, path: str, body: dict):
    answer = app.post(path, json=body)

    assert_error(answer, 503)
    assert "retry-after" in answer.headers


@pytest.mark.asks("/readyz")
def test_readyz_is_503_within_two_seconds_and_names_the_check(app: App):
    began = time.monotonic()
    answer = app.get("/readyz")

    assert time.monotonic() - began < 2
    assert "database" in assert_error(answer, 503)["detail"]
    assert "retry-after" in answer.headers
    assert "ponte:ponte" not in answer.text, "the password of the database"


def test_healthz_is_ok_all_the_same(app: App):
    assert app.get("/healthz").text == "ok"
