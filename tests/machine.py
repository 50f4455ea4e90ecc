"""Stands in for supervisor and nginx under the native engine's commands: checks the order at each step, and can die."""

import json
from pathlib import Path

import pytest

from deploy import state
from deploy.console import Console
from deploy.errors import impossible
from deploy.native import change, deploying
from deploy.native.change import Change
from deploy.native.deploying import Deploying
from deploy.native.layout import Layout
from deploy.native.record import Member, Record, load
from deploy.release import Release, Standing
from deploy.settings import Settings, build
from deploy.tree import tree
from deploy.variables import SERVICES


class Killed(BaseException):
    """kill -9 of the command: from here on nothing it does has an effect."""


class Machine:
    def __init__(self, record: Record):
        self.running = set(record.members)
        self.routed: list[str] = list(record.routed)
        self.ready = set(record.members)
        self.stopping: set[str] = set()
        self.stopped: set[str] = set()
        self.events: list[str] = []
        self.steps = 0
        self.dies_at: int | None = None
        self.refuses = False  # nginx its configuration
        self.silent = False  # nginx takes it in and does not say so in time, once
        self.unready: set[str] = set()  # releases, or names, that do not get ready
        self.breaking: set[str] = set()  # that are ready once and then not
        self.rude: set[str] = set()  # that do not answer as they should
        self.collected = ""  # of which tree the static files are

    def step(self) -> None:
        self.steps += 1
        if self.dies_at is not None and self.steps > self.dies_at:
            raise Killed

    def write(self, run: Path, found: state.State) -> None:
        self.step()
        run.mkdir(exist_ok=True)
        (run / "state.json").write_text(json.dumps(found))  # no fsync: a command is killed here, no machine

    def add(self, programs) -> None:
        for name in programs:
            self.step()
            self.running.add(name)
            self.events.append(f"start {name}")

    def remove(self, names, patience: float) -> None:
        for name in names:
            self.step()
            self.stopping.add(name)
            self.step()
            assert name not in self.routed, f"{name} was stopped while nginx still sent requests to it"
            self.running.discard(name)
            self.ready.discard(name)
            self.stopping.discard(name)
            self.events.append(f"stop {name}")

    def wait_ready(self, members, *_) -> None:
        self.step()
        for each in members:
            if {each.name, each.runs.tree} & self.unready:
                raise impossible(f"{each.name} is not ready\n  {each.name} | its last words")
            assert each.name in self.running - self.stopping
            if each.name not in self.ready:
                self.ready.add(each.name)
                self.events.append(f"ready {each.name}")

    def try_out(self, member: Member, *_) -> None:
        self.step()
        if member.runs.tree in self.rude:
            raise impossible(f"{member.name} answers /plaintext with b'Hello'")

    def watch(self, members, *_) -> None:
        self.step()
        for each in members:
            assert each.name in self.routed
            if {each.name, each.service} & self.breaking:
                raise impossible(f"{each.name} ended by itself")
        self.events.append("watch")

    def apply(self, record: Record, drained: bool = True) -> None:
        self.step()
        if self.refuses:
            raise impossible("nginx refuses its configuration")
        assert drained or set(self.routed) <= set(record.routed), "who leaves is waited for"
        assert set(record.routed) <= self.ready, "one was routed before it was ready"
        for service in {name.rpartition("-")[0] for name in self.routed}:
            assert any(name.startswith(f"{service}-") for name in record.routed), f"nobody answers for {service}"
        self.routed = list(record.routed)
        self.events.append(f"route {' '.join(sorted(self.routed))}")
        if self.silent:
            self.silent = False
            raise impossible("nginx has not reloaded")

    def ports(self, count: int) -> list[int]:
        return list(range(21000, 21000 + count))

    def places(self, record: Record, service: str, count: int, release: Release):
        for port in self.ports(count):
            yield record.next_name(service), port

    def programs(self) -> dict:
        self.step()
        return {name: {"statename": self.state(name)} for name in self.running}

    def state(self, name: str) -> str:
        return "STOPPED" if name in self.stopped else "STOPPING" if name in self.stopping else "RUNNING"

    def stop(self, names, patience: float) -> None:
        self.step()
        self.stopped |= set(names)
        self.ready -= set(names)

    def start_again(self, names) -> None:
        self.step()
        assert not {name for name in names if self.state(name) == "STOPPING"}
        self.stopped -= set(names)
        self.stopping -= set(names)


class Commands:
    """Two flask and one fastapi of one release, and what ./ponte would do with them, from what state.json says."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch):
        (root / "apps").mkdir()
        self.edit(root, "first")
        self.settings: Settings = build({}, {}, root, root / ".run")
        self.layout = Layout(root, self.settings.run)
        self.first = Release(tree(root, ("apps",)), "dev")
        names = ("flask-1", "flask-2", "fastapi-1")
        members = {name: Member(name, name[:-2], 20000 + n, "s", 1, self.first) for n, name in enumerate(names)}
        record = Record("p", "e", "u", {}, {}, phase="up", members=members, routed=list(members))
        record.releases = {name: Standing(self.first) for name in SERVICES}
        record.counts = dict.fromkeys(SERVICES, 0) | {"flask": 2, "fastapi": 1}
        self.machine = Machine(record)
        self.stand_in(monkeypatch)
        record.save(self.layout.run)
        deploying.releases.take(self.first.tree, self.settings, self.layout)
        self.machine.steps = 0

    def stand_in(self, monkeypatch: pytest.MonkeyPatch) -> None:
        machine = self.machine
        monkeypatch.setattr(state, "write", machine.write)
        monkeypatch.setattr(change, "Routing", lambda *_: machine)
        for name in ("wait_ready", "try_out", "watch"):
            monkeypatch.setattr(change.replicas, name, getattr(machine, name))
        monkeypatch.setattr(change.replicas, "program", self.program)
        monkeypatch.setattr(change, "check", lambda settings, counts: dict.fromkeys(counts, "--workers 1"))
        monkeypatch.setattr(change.launcher, "server", lambda settings, service: "s")
        monkeypatch.setattr(change.releases, "equip", lambda *_: None)
        monkeypatch.setattr(deploying.django, "migrate", lambda *_: None)
        monkeypatch.setattr(deploying.django, "collect", lambda tree, *_: setattr(machine, "collected", tree))
        monkeypatch.setattr(Console, "__call__", lambda self, text: None)

    def program(self, member: Member, *_) -> str:
        assert deploying.releases.there(member.runs.tree, self.layout), "its code is gone"
        return member.name

    def edit(self, root: Path, text: str) -> None:
        (root / "apps" / "app.py").write_text(text)

    def release(self, text: str = "second") -> Release:
        """The checkout is edited; what a deploy releases from now on."""
        self.edit(self.settings.root, text)
        return Release(tree(self.settings.root, ("apps",)), "dev")

    @property
    def record(self) -> Record:
        found = load(self.layout.run)
        assert found
        return found

    def change(self) -> Change:
        return Change(self.record, self.settings, Console(), self.layout, self.machine)  # type: ignore[arg-type]

    def deploying(self, **given: str) -> Deploying:
        return Deploying(self.change(), build(given, given, self.settings.root, self.settings.run))

    def serving(self) -> set[Release]:
        """What answers, once everything is as it should be."""
        record = self.record
        counts = {name: len(record.of(name)) for name in SERVICES}
        assert self.machine.running == set(self.machine.routed) == set(record.routed) == record.members.keys()
        assert counts == record.counts
        assert {each.runs for each in record.members.values()} == {
            record.releases[name].now for name in ("flask", "fastapi")
        }
        assert not record.toward and record.phase == "up"
        assert {path.name for path in self.layout.releases.iterdir()} <= record.trees()
        return {each.runs for each in record.members.values()}
