"""In containers too nobody stops who is still in nginx's routing, and nobody enters it who is not ready."""

import pytest

from deploy.compose import change
from deploy.compose.change import Change
from deploy.errors import Refused
from tests.dock import BY_NAME, Dock


@pytest.fixture
def make(monkeypatch: pytest.MonkeyPatch):
    def make(**counts: int) -> tuple[Dock, Change]:
        dock = Dock(**counts)
        monkeypatch.setattr(change, "listed", lambda docker: list(dock.there))
        monkeypatch.setattr(change, "wait_ready", dock.wait_ready)
        return dock, Change(dock, dock)  # type: ignore[arg-type]

    return make


def test_new_replicas_are_routed_when_they_are_ready(make):
    machine, changes = make(flask=2)
    changes.scale("flask", 4)

    assert len(machine.alive("flask")) == 4
    assert machine.events[-1] == BY_NAME


def test_replicas_that_do_not_get_ready_are_taken_away(make):
    machine, changes = make(flask=2)
    machine.broken = True
    with pytest.raises(Refused, match="not ready"):
        changes.scale("flask", 4)

    assert machine.alive("flask") == ["flask-1", "flask-2"]
    assert machine.events[-1] == BY_NAME


def test_the_newest_replicas_leave_first(make):
    machine, changes = make(flask=4)
    changes.scale("flask", 1)

    assert machine.alive("flask") == ["flask-1"]


def test_the_same_number_changes_nothing(make):
    machine, changes = make(flask=2)
    changes.scale("flask", 2)

    assert machine.events == []


def test_a_restart_replaces_one_replica_of_each_service_at_a_time(make):
    machine, changes = make(flask=2, django=2)
    changes.restart(["flask", "django"])

    assert machine.events == [
        "start flask-5", "start django-6", "stop flask-1", "stop django-3",
        "start flask-7", "start django-8", "stop flask-2", "stop django-4",
        BY_NAME,
    ]  # fmt: skip


def test_the_only_replica_goes_when_another_is_ready(make):
    machine, changes = make(flask=1)
    changes.restart(["flask"])

    assert machine.events == ["start flask-2", "stop flask-1", BY_NAME]


def test_a_restart_that_fails_leaves_what_ran(make):
    machine, changes = make(flask=2)
    machine.broken = True
    with pytest.raises(Refused, match="not ready"):
        changes.restart(["flask"])

    assert machine.alive("flask") == ["flask-1", "flask-2"]
