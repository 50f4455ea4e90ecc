"""Nobody stops who is still in nginx's routing, and nobody enters it who is not ready."""

from pathlib import Path

import pytest

pytest.importorskip("psutil")

from deploy.console import Console
from deploy.errors import Refused, impossible
from deploy.native import change
from deploy.native.change import Change
from deploy.native.layout import Layout
from deploy.native.record import Member, Record, load
from deploy.settings import build


class Machine:
    """Stands in for supervisor and nginx, and checks the order at each step."""

    def __init__(self, record: Record):
        self.record = record
        self.running = set(record.members)
        self.routed: list[str] = list(record.routed)
        self.events: list[str] = []
        self.unready: set[str] = set()
        self.refuses = False

    def add(self, programs) -> None:
        for name in programs:
            self.running.add(name)
            self.events.append(f"start {name}")

    def remove(self, names, patience: float) -> None:
        for name in names:
            assert name not in self.routed, f"{name} was stopped while nginx still sent requests to it"
            self.running.discard(name)
            self.events.append(f"stop {name}")

    def wait_ready(self, members, *_) -> None:
        for each in members:
            if each.name in self.unready:
                raise impossible(f"{each.name} is not ready")
            assert each.name in self.running
            self.events.append(f"ready {each.name}")

    def apply(self, record: Record) -> None:
        if self.refuses:
            raise impossible("nginx refuses its configuration")
        for name in record.routed:
            assert name in self.routed or f"ready {name}" in self.events, f"{name} was routed before it was ready"
        for service in ("flask", "fastapi"):
            assert any(name.startswith(service) for name in record.routed), f"nobody answers for {service}"
        self.routed = list(record.routed)
        self.events.append(f"route {' '.join(sorted(self.routed))}")

    def programs(self) -> dict:
        return {name: {"statename": "RUNNING"} for name in self.running}

    def start_again(self, names) -> None:
        self.running |= set(names)


@pytest.fixture
def changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A stack of two flask and one fastapi, and the machine it runs on."""
    members = {
        name: Member(name, name[:-2], 20000 + n, "s", 1) for n, name in enumerate(("flask-1", "flask-2", "fastapi-1"))
    }
    record = Record("p", "r", "t", "e", "u", {}, {}, phase="up", members=members, routed=list(members))
    machine = Machine(record)
    monkeypatch.setattr(change, "Routing", lambda *_: machine)
    monkeypatch.setattr(change.replicas, "wait_ready", machine.wait_ready)
    monkeypatch.setattr(change.replicas, "program", lambda member, *_: member.name)
    monkeypatch.setattr(change, "check", lambda settings, counts: dict.fromkeys(counts, "--workers 1"))
    monkeypatch.setattr(change, "server", lambda settings, service: "s")
    monkeypatch.setattr(Console, "__call__", lambda self, text: None)
    settings = build({}, {}, tmp_path, tmp_path / ".run")
    return Change(record, settings, Console(), Layout(tmp_path, settings.run), machine), machine


def test_a_new_replica_enters_the_routing_when_it_is_ready(changed):
    what, machine = changed

    what.scale("flask", 3)

    assert machine.events == ["start flask-3", "ready flask-3", "route fastapi-1 flask-1 flask-2 flask-3"]


def test_the_last_ones_leave_the_routing_before_they_stop(changed):
    what, machine = changed

    what.scale("flask", 1)

    assert machine.events == ["route fastapi-1 flask-1", "stop flask-2"]
    assert set(load(what.layout.run).members) == {"flask-1", "fastapi-1"}


def test_the_same_count_changes_nothing(changed):
    what, machine = changed

    what.scale("flask", 2)

    assert machine.events == []


def test_replicas_that_do_not_get_ready_are_taken_back(changed):
    what, machine = changed
    machine.unready = {"flask-4"}

    with pytest.raises(Refused):
        what.scale("flask", 4)

    assert machine.running == machine.record.members.keys() == {"flask-1", "flask-2", "fastapi-1"}
    assert machine.routed == ["flask-1", "flask-2", "fastapi-1"]


def test_a_restart_keeps_every_service_answering_and_every_name(changed):
    what, machine = changed

    what.restart(["flask", "fastapi"])

    assert machine.running == set(machine.routed) == {"flask-1", "flask-2", "fastapi-1"}
    assert [event for event in machine.events if event.startswith("stop")] == [
        "stop flask-1",
        "stop fastapi-1",
        "stop flask-2",
        "stop fastapi-2",
    ]


def test_a_configuration_nginx_refuses_changes_no_routing(changed):
    what, machine = changed
    machine.refuses = True

    with pytest.raises(Refused):
        what.scale("flask", 1)

    assert machine.running == {"flask-1", "flask-2", "fastapi-1"}
    assert load(what.layout.run).routed == ["flask-1", "flask-2", "fastapi-1"]


@pytest.mark.parametrize("lost", ["flask-2", "fastapi-1"])
def test_what_a_killed_command_left_undone_is_done_by_up(changed, lost: str):
    what, machine = changed
    machine.running.discard(lost)
    machine.routed.remove(lost)
    machine.record.routed.remove(lost)

    what.mend()

    assert machine.running == set(machine.routed) == {"flask-1", "flask-2", "fastapi-1"}


def test_a_replica_nobody_knows_is_stopped(changed):
    what, machine = changed
    machine.running.add("flask-9")

    what.mend()

    assert machine.running == {"flask-1", "flask-2", "fastapi-1"}
