"""The replicas behind the edge: both answer, and `ponte ps` names them as they name themselves."""

from collections import Counter

import pytest

from tests.apps import App
from tests.contract import CHOSEN, SERVICES, assert_error
from tests.engine import Stack
from tests.sockets import opened
from tests.waiting import until


def served_by(app: App) -> tuple[str, str]:
    """Replica and pid of whoever answers now."""
    _, replica, pid = app.get("/json").headers["x-served-by"].split("/")
    return replica, pid


def test_ps_lists_every_service_ready_with_its_server(stack: Stack):
    rows = stack.ps()
    found = {row["service"] for row in rows}

    assert found >= {*SERVICES, "nginx", "postgres"}
    assert all(row["state"] == "running" and row["ready"] for row in rows if row["service"] != "migrate")
    for name, server in CHOSEN.items():
        assert {row["server"] for row in rows if row["service"] == name} == {server}


def test_ps_tells_workers_memory_and_uptime(stack: Stack):
    for row in (row for row in stack.ps() if row["service"] in SERVICES):
        assert row["workers"] >= 1
        assert row["memory"] > 10 * 1024**2
        assert row["uptime"] >= 0


def test_every_replica_answers_under_the_name_that_ps_shows(app: App, stack: Stack):
    expected = {row["replica"] for row in stack.replicas(app.name)}
    seen: set[str] = set()

    def all_seen() -> bool:
        seen.add(served_by(app)[0])
        return seen >= expected

    until(all_seen, every=0)
    assert seen == expected
    assert len(expected) >= 2


def test_the_server_word_is_the_one_that_ps_shows(app: App, stack: Stack):
    assert app.get("/").json()["server"] == stack.replicas(app.name)[0]["server"]


def test_readyz_asks_the_database(app: App):
    answer = app.get("/readyz")

    assert (answer.status_code, answer.json()) == (200, {"database": "ok"})


def test_query_gives_as_many_rows_as_asked(app: App):
    for n in (1, 7, 500):
        rows = app.get(f"/query?n={n}").json()["rows"]

        assert len(rows) == n
        assert all(set(row) == {"id", "value"} and 1 <= row["id"] <= 10_000 for row in rows)
        assert all(type(row["value"]) is int for row in rows)
    assert len({row["id"] for row in rows}) > 100, "random ids"
    assert len(app.get("/query").json()["rows"]) == 1


@pytest.mark.parametrize("path", ("/query?n=1", "/messages?limit=1", "/poll?timeout=0", "/readyz", "/events"))
def test_head_works_where_the_database_is_needed(app: App, path: str):
    answer = app.request("HEAD", path)

    expected = {"/poll?timeout=0": 204, "/events": 200 if app.is_asgi else 501}.get(path, 200)
    assert (answer.status_code, answer.content) == (expected, b"")
    assert answer.headers["x-served-by"]


def test_metrics_are_not_for_the_outside(app: App):
    for path in ("/metrics", "/metrics?x=1", "/./metrics", "//metrics", "/%6detrics", "/x/../metrics"):
        assert app.get(path).status_code == 404, path


def test_paths_that_are_not_ascii_are_404(app: App):
    for path in ("/%ff", "/%C3%A9", "/json%C2%A0", "/%ed%a0%80"):
        assert_error(app.get(path), 404)


def test_garbage_in_the_cookie_header_counts_as_no_session(app: App):
    for header in (";", "=", "a", "session", ";;;=;", '"', "\xff=\xfe", "session=\x80", "session=a; session=b"):
        answer = app.get("/session", headers={"Cookie": header.encode("latin-1")})

        assert (header, answer.status_code, answer.json()) == (header, 200, {"visits": 0})


def test_a_session_is_read_by_every_replica(app: App, stack: Stack):
    value = app.post("/session").headers["set-cookie"].partition(";")[0]
    app.http.cookies.clear()
    seen: dict[str, int] = {}

    def all_seen() -> bool:
        answer = app.get("/session", headers={"Cookie": value})
        seen[answer.headers["x-served-by"].split("/")[1]] = answer.json()["visits"]
        return len(seen) == len(stack_replicas)

    stack_replicas = stack.replicas(app.name)
    until(all_seen, every=0)
    assert set(seen.values()) == {1}


@pytest.mark.sockets
def test_a_held_websocket_takes_no_requests_from_its_replica(asgi_app: App, stack: Stack):
    with opened(f"{asgi_app.ws}/ws/echo"):
        answered = Counter(asgi_app.get("/").json()["replica"] for _ in range(20))

    assert len(answered) == len(stack.replicas(asgi_app.name)) and min(answered.values()) >= 5
