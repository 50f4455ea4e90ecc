"""In containers too nobody stops who is still in nginx's routing, and nobody enters it who is not ready."""

from collections.abc import Iterable
from dataclasses import replace
from itertools import count

import pytest

from deploy.compose import change
from deploy.compose.change import Change
from deploy.compose.containers import Container
from deploy.console import Console
from deploy.errors import Refused, impossible

BY_NAME = "by name"


class Machine:
    """Stands in for Docker and nginx, and checks the order at each step."""

    say = Console()

    def __init__(self, **counts: int):
        self.numbers = count(1)
        self.there = [self.new(name) for name, number in counts.items() for _ in range(number)]
        self.pinned: dict[str, set[str]] = {}  # service -> the only members nginx may use; else all of the name
        self.ready = {each.id for each in self.there}
        self.broken = False
        self.events: list[str] = []

    def new(self, service: str) -> Container:
        number = next(self.numbers)
        name = f"{service}-{number}"
        return Container(name, service, number, name, "running", 0, 0.0, (), {}, {"edge": name}, 45)

    # --- Docker
    def compose(self, *words: str) -> list[str]:
        return list(words)

    def run(self, *argv: str, text: str = "") -> str:
        if argv[0] == "up":
            for word in argv:
                self.scale(*word.split("=")) if "=" in word else None
        elif argv[1] == "stop":
            self.stop(argv[4:])
        return ""

    def ask(self, *argv: str, check: bool = True) -> str:
        self.there = [each for each in self.there if each.id not in argv]
        return ""

    def scale(self, service: str, number: str) -> None:
        more = int(number) - sum(each.service == service for each in self.there)
        for _ in range(more):
            assert service in self.pinned, "a name answers for a replica that is not ready"
            self.there.append(self.new(service))
            self.events.append(f"start {self.there[-1].id}")

    def stop(self, ids: Iterable[str]) -> None:
        for name in ids:
            assert not self.asked(name), f"{name} was stopped while nginx still sent requests to it"
            self.change(name, "exited")
            self.ready.discard(name)
            self.events.append(f"stop {name}")

    def change(self, name: str, status: str) -> None:
        self.there = [replace(each, status=status) if each.id == name else each for each in self.there]

    # --- nginx
    def route_to(self, members: Iterable[Container]) -> None:
        members = list(members)
        assert all(each.id in self.ready for each in members), "somebody is routed who is not ready"
        self.pinned = {
            name: {each.id for each in members if each.service == name} for name in {each.service for each in members}
        }

    def route_by_name(self) -> None:
        assert all(each.id in self.ready for each in self.there if each.running), "a name answers for who is not ready"
        self.pinned = {}
        self.events.append(BY_NAME)

    def asked(self, name: str) -> bool:
        service = name.rpartition("-")[0]
        return name in self.pinned[service] if service in self.pinned else True

    # --- readiness
    def wait_ready(self, _, containers: Iterable[Container]) -> None:
        for each in containers:
            if self.broken:
                raise impossible(f"{each.id} is not ready")
            self.ready.add(each.id)

    def alive(self, service: str) -> list[str]:
        return [each.id for each in self.there if each.service == service and each.running]


@pytest.fixture
def make(monkeypatch: pytest.MonkeyPatch):
    def make(**counts: int) -> tuple[Machine, Change]:
        machine = Machine(**counts)
        monkeypatch.setattr(change, "listed", lambda docker: list(machine.there))
        monkeypatch.setattr(change, "wait_ready", machine.wait_ready)
        return machine, Change(machine, machine)

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
