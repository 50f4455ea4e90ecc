"""Nobody stops who is still in nginx's routing, and nobody enters it who is not ready."""

from pathlib import Path

import pytest

pytest.importorskip("psutil")

from deploy.errors import Refused
from tests.machine import Commands, Killed

EVERYBODY = {"flask-1", "flask-2", "fastapi-1"}


@pytest.fixture
def ponte(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Commands:
    return Commands(tmp_path, monkeypatch)


def test_a_new_replica_enters_the_routing_when_it_is_ready(ponte: Commands):
    ponte.change().scale("flask", 3)

    assert ponte.machine.events == ["start flask-3", "ready flask-3", "route fastapi-1 flask-1 flask-2 flask-3"]


def test_the_last_ones_leave_the_routing_before_they_stop(ponte: Commands):
    ponte.change().scale("flask", 1)

    assert ponte.machine.events == ["route fastapi-1 flask-1", "stop flask-2"]
    assert set(ponte.record.members) == {"flask-1", "fastapi-1"}


def test_the_same_count_changes_nothing(ponte: Commands):
    ponte.change().scale("flask", 2)

    assert ponte.machine.events == []


def test_replicas_that_do_not_get_ready_are_taken_back(ponte: Commands):
    ponte.machine.unready = {"flask-4"}

    with pytest.raises(Refused):
        ponte.change().scale("flask", 4)

    assert ponte.serving() == {ponte.first}
    assert set(ponte.machine.routed) == EVERYBODY


def test_a_restart_keeps_every_service_answering_and_every_name(ponte: Commands):
    ponte.change().restart(["flask", "fastapi"])

    assert ponte.machine.running == set(ponte.machine.routed) == EVERYBODY
    assert [event for event in ponte.machine.events if event.startswith("stop")] == [
        "stop flask-1",
        "stop fastapi-1",
        "stop flask-2",
        "stop fastapi-2",
    ]


def test_a_configuration_nginx_refuses_changes_no_routing(ponte: Commands):
    ponte.machine.refuses = True

    with pytest.raises(Refused):
        ponte.change().scale("flask", 1)

    assert ponte.machine.running == set(ponte.record.routed) == EVERYBODY


@pytest.mark.parametrize("lost", ["flask-2", "fastapi-1"])
def test_what_a_killed_command_left_undone_is_done_by_up(ponte: Commands, lost: str):
    ponte.machine.running.discard(lost)
    ponte.machine.ready.discard(lost)

    assert ponte.change().mend()
    assert ponte.serving() == {ponte.first}


def test_a_replica_nobody_knows_is_stopped(ponte: Commands):
    ponte.machine.running.add("flask-9")

    ponte.change().mend()

    assert ponte.machine.running == EVERYBODY


def test_up_changes_nothing_that_is_right(ponte: Commands):
    assert not ponte.change().mend()
    assert ponte.machine.events == []


@pytest.mark.parametrize("count", [1, 4])
def test_a_scale_killed_at_any_step_is_finished_or_was_not_begun(ponte: Commands, count: int):
    before = ponte.record
    for step in range(100):
        before.save(ponte.layout.run)
        ponte.machine.__init__(before)
        ponte.machine.dies_at = step
        try:
            ponte.change().scale("flask", count)
        except Killed:
            ponte.machine.dies_at = None
            ponte.change().mend()
            assert ponte.serving() == {ponte.first}
            assert ponte.record.counts["flask"] in (2, count)
        else:
            break
    assert step > 3
