"""A service restarted under load: no request is lost, none is carried out twice."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.apps import App
from tests.contract import SERVICES
from tests.engine import Stack
from tests.load import Load, get
from tests.oracle import Watched, watched
from tests.waiting import until

pytestmark = [pytest.mark.own_stack, pytest.mark.timeout(120)]
# In the quick tier test_deploy.py replaces the replicas of a service, and test_lifecycle.py scales another.
RESTARTED = [pytest.param(name, marks=pytest.mark.full) for name in SERVICES]


@dataclass
class Restarted:
    """What clients saw while both replicas of a service were restarted."""

    app: App
    code: int
    said: str
    seen: Watched
    slow: Load
    ids: tuple[set[str], set[str]]
    jobs: list[str]


@pytest.fixture(scope="module", params=RESTARTED)
def restarted(
    request: pytest.FixtureRequest, apps: dict[str, App], stack: Stack, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Restarted]:
    app = apps[request.param]
    asked = [get(f"{app.base}/wait?ms=900"), get(f"{app.base}/stream?chunks=10&ms=90")]
    with watched(stack, tmp_path_factory.mktemp(app.name), app.name) as seen, Load([*asked, *asked]) as slow:
        jobs = [app.post("/jobs", json={"ms": 2000}).json()["id"] for _ in range(6)]
        before = {row["id"] for row in stack.replicas(app.name)}
        answer = stack.ponte("restart", f"SERVICE={app.name}")
        after = {row["id"] for row in stack.replicas(app.name)}
    yield Restarted(app, answer.returncode, answer.stderr, seen, slow, (before, after), jobs)


def test_a_restart_replaces_every_replica(restarted: Restarted):
    before, after = restarted.ids

    assert restarted.code == 0, restarted.said
    assert len(after) == len(before) and not before & after


def test_a_restart_loses_no_request(restarted: Restarted):
    assert not restarted.seen.wrong
    assert restarted.seen.verdict.requests > 100


def test_slow_requests_in_flight_are_finished(restarted: Restarted):
    assert restarted.slow.answers and not restarted.slow.lost


def test_streams_in_flight_arrive_whole(restarted: Restarted):
    streams = [answer.text for answer in restarted.slow.answers if answer.url.path.endswith("/stream")]

    assert streams and {text.count("\n") for text in streams} == {10}


def test_jobs_are_finished_before_the_stop(restarted: Restarted):
    def states() -> set[str]:
        return {restarted.app.get(f"/jobs/{number}").json()["status"] for number in restarted.jobs}

    until(lambda: states() == {"done"})


def test_the_database_comes_back_after_a_restart_and_every_service_finds_it(apps: dict[str, App], stack: Stack):
    answer = stack.ponte("restart", "SERVICE=postgres")

    assert answer.returncode == 0, answer.stderr
    for app in apps.values():
        until(lambda app=app: all(app.get("/readyz").status_code == 200 for _ in range(4)), 30)
