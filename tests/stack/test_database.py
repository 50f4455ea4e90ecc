"""The applications and their database: what one request would pay for what happened before it."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.apps import App
from tests.engine import Stack

pytestmark = pytest.mark.own_stack
AT_ONCE, REQUESTS = 8, 40
# (!) With a time it waits until they have ended; without one it has only told them to.
END_ALL = "SELECT count(pg_terminate_backend(pid, 10000)) FROM pg_stat_activity WHERE application_name LIKE '{}/%';"


def asked(app: App) -> list[int]:
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return [answer.status_code for answer in pool.map(lambda _: app.get("/query?n=1"), range(REQUESTS))]


def test_sessions_that_the_database_has_ended_cost_no_request(app: App, stack: Stack):
    before = asked(app)
    ended = stack.psql(END_ALL.format(app.name))

    assert int(ended) > 0
    assert (before, asked(app)) == ([200] * REQUESTS, [200] * REQUESTS)
