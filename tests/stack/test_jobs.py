"""/jobs: accepted at once, seen by every replica of every application."""

import time
import uuid

from tests.apps import App
from tests.contract import assert_error
from tests.engine import Stack
from tests.waiting import until


def accept(app: App, ms: int) -> tuple[dict, str]:
    """The answer's fields and where the job is."""
    answer = app.post("/jobs", json={"ms": ms})
    assert answer.status_code == 202, answer.text
    return answer.json(), str(answer.url.join(answer.headers["location"]))


def status(app: App, number: str) -> str:
    answer = app.get(f"/jobs/{number}")
    assert answer.status_code == 200, answer.text
    assert set(answer.json()) == {"id", "status", "replica"} and answer.json()["id"] == number
    return answer.json()["status"]


def test_a_job_is_accepted_at_once_and_says_where_it_is(app: App):
    began = time.monotonic()
    job, location = accept(app, 2000)

    assert time.monotonic() - began < 1.5
    assert job == {"id": job["id"], "status": "queued"}
    assert location == f"{app.base}/jobs/{job['id']}"
    assert app.http.request("GET", location).json()["status"] in {"queued", "running"}


def test_every_application_sees_a_job_through_to_its_end(app: App, apps: dict[str, App]):
    job, _ = accept(app, 600)
    seen = {status(other, job["id"]) for other in apps.values()}

    assert seen <= {"queued", "running"}
    until(lambda: status(app, job["id"]) == "done", seconds=5)
    for other in apps.values():
        assert status(other, job["id"]) == "done"


def test_a_job_runs_while_it_runs(app: App):
    job, _ = accept(app, 1500)

    until(lambda: status(app, job["id"]) == "running", seconds=1.2, every=0.01)


def test_a_job_names_the_replica_that_took_it(app: App, stack: Stack):
    job, location = accept(app, 0)

    assert app.http.request("GET", location).json()["replica"] in {row["replica"] for row in stack.replicas(app.name)}
    assert job["id"] in location


def test_a_job_is_not_done_before_its_time(app: App):
    began = time.monotonic()
    job, _ = accept(app, 700)
    until(lambda: status(app, job["id"]) == "done", every=0.02)

    assert time.monotonic() - began >= 0.7


def test_many_jobs_run_side_by_side(app: App):
    jobs = [accept(app, 300)[0]["id"] for _ in range(12)]

    until(lambda: {status(app, number) for number in jobs} == {"done"}, seconds=5)


def test_a_job_without_ms_is_422(app: App):
    assert_error(app.post("/jobs", json={}), 422)


def test_an_unknown_job_is_404_whatever_its_name(app: App):
    for name in (str(uuid.uuid4()), "1", "abc", "%20", "'--", "%ff", "0" * 32, "9" * 500, "%0A" + str(uuid.uuid4())):
        assert_error(app.get(f"/jobs/{name}"), 404)
