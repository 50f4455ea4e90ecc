"""Stands in for Docker, Compose and nginx under the compose engine's commands: checks the order at each step, and can die."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest

from deploy import state
from deploy.compose import change, deploying, readiness
from deploy.compose.change import Change
from deploy.compose.containers import Container
from deploy.compose.deploying import MIGRATE, Deploying
from deploy.compose.images import Images
from deploy.compose.record import Built, Record, Standing
from deploy.console import Console
from deploy.errors import impossible
from deploy.release import Release
from deploy.settings import Settings, build
from deploy.tree import tree
from deploy.variables import SERVICES
from tests.machine import Killed

WRITE = state.write
BY_NAME = "by name"
COUNTS = {"flask": 2, "django": 0, "django-asgi": 0, "fastapi": 1}


class Dock:
    """The parts that Change and Deploying speak to: Docker, and the edge."""

    say = Console()

    def __init__(self, settings: Settings | None = None, **counts: int):
        self.settings = settings
        self.tags: dict[str, str] = {}  # PROJECT-SERVICE:TAG -> image id
        self.images: dict[str, Release] = {}  # id -> what is in it
        self.numbers = count(1)
        self.there: list[Container] = []
        self.pinned: dict[str, set[str]] = {}  # service -> the only members nginx may use; else all of the name
        self.ready: set[str] = set()
        self.events: list[str] = []
        self.steps = 0
        self.dies_at: int | None = None
        self.release = ""
        self.broken = False  # nobody new gets ready
        self.unready: set[str] = set()  # trees whose replicas do not get ready
        self.breaking: set[str] = set()  # services whose new replicas are ready once and then not
        self.rude: set[str] = set()  # trees that do not answer as they should
        self.faults: set[str] = set()  # build, migrate
        for name, number in counts.items():
            for _ in range(number):
                self.make(name)
        self.ready = {each.id for each in self.there}
        self.change_all("running")
        self.events.clear()

    def step(self) -> None:
        self.steps += 1
        if self.dies_at is not None and self.steps > self.dies_at:
            raise Killed

    def write(self, run: Path, found: state.State) -> None:
        self.step()
        WRITE(run, found)

    # --- Docker
    def compose(self, *words: str) -> list[str]:
        return ["compose", *words]

    def run(self, *argv: str, text: str = "") -> str:
        self.step()
        verb = argv[1]
        rest = argv[2:]
        {"create": self.create, "start": self.start, "stop": self.stop, "build": self.build}[verb](rest)
        self.step()
        return ""

    def create(self, words: Sequence[str]) -> None:
        """As many as asked for, counting those that have ended. (!) With more than that it would remove some."""
        for service, number in (word.split("=") for word in words if "=" in word):
            more = int(number) - sum(each.service == service for each in self.there)
            assert more >= 0, "Compose would choose who goes"
            for _ in range(more):
                self.make(service)

    def make(self, service: str) -> None:
        number = next(self.numbers)
        name = f"{service}-{number}"
        image = self.tags.get(f"p-{service}:latest", "")
        found = Container(name, service, number, name, "created", 0, 0.0, (), {}, {"edge": name}, 45, image=image)
        self.there.append(found)

    def start(self, ids: Sequence[str]) -> None:
        for name in ids:
            assert name.rpartition("-")[0] in self.pinned, "a name answers for a replica that is not ready"
            self.change(name, "running")
            self.events.append(f"start {name}")

    def stop(self, words: Sequence[str]) -> None:
        for name in words[2:]:
            self.ready.discard(name)
            self.step()
            assert not self.asked(name), f"{name} was stopped while nginx still sent requests to it"
            self.change(name, "exited")
            self.events.append(f"stop {name}")

    def build(self, words: Sequence[str]) -> None:
        if "build" in self.faults:
            raise impossible("docker compose build flask failed; its last lines are above")
        assert self.settings
        word = words[1].partition("=")[2]
        found = Release(tree(self.settings.root, ("apps",)), word)
        for service in words[2:]:
            self.put(service, found)

    def put(self, service: str, release: Release) -> str:
        image = f"sha256:{service}-{release.tree}-{release.release}"
        self.images[image] = release
        self.tags[f"p-{service}:latest"] = image
        return image

    def follow(self, argv: Sequence[str], step: Callable[[str], None]) -> tuple[int, list[str]]:
        self.step()
        return (1, ["no such column"]) if "migrate" in self.faults else (0, [])

    def succeeds(self, *argv: str) -> bool:
        return argv[-1] in self.images

    def ask(self, *argv: str, check: bool = True) -> str:
        self.step()
        match argv[1:]:
            case ("rm", *words):
                self.there = [each for each in self.there if each.id not in words]
            case ("tag", image, name):
                assert image in self.images, "an image is lost"
                self.tags[name] = image
            case ("image", "inspect", *words):
                return self.tags[words[-1]]
            case ("image", "ls", *words):
                service = words[-3].rpartition("=")[2]
                return " ".join(
                    each
                    for each in self.images
                    if each.startswith(f"sha256:{service}-") and each not in self.tags.values()
                )
            case ("image", "rm", *names):
                used = {each.image for each in self.there}
                for name in names:
                    image = self.tags.pop(name, name)
                    if image not in self.tags.values() and image not in used:
                        self.images.pop(image, None)
        return ""

    def change(self, name: str, status: str) -> None:
        self.there = [replace(each, status=status) if each.id == name else each for each in self.there]

    def change_all(self, status: str) -> None:
        self.there = [replace(each, status=status) for each in self.there]

    # --- nginx
    def route_to(self, members: Iterable[Container], drained: bool = True) -> None:
        self.step()
        members = list(members)
        found = {
            name: {each.id for each in members if each.service == name} for name in {each.service for each in members}
        }
        entering = {name for name in found for name in found[name] if not self.asked(name)}
        assert entering <= self.ready, "somebody is routed who is not ready"
        left = {name for service in self.pinned for name in self.pinned[service] - found.get(service, set())}
        assert drained or not left, "who leaves is waited for"
        for service in found:
            assert self.tags.get(f"p-{service}:latest", "") == self.runs(service), "a plain up would start another"
        for service in self.pinned.keys() - found.keys():
            self.named(service)
        self.pinned = found

    def route_by_name(self) -> None:
        self.step()
        for service in {each.service for each in self.there}:
            self.named(service)
        self.pinned = {}
        self.events.append(BY_NAME)

    def named(self, service: str) -> None:
        unready = [
            each.id for each in self.there if each.running and each.service == service and each.id not in self.ready
        ]
        assert not unready, "a name answers for who is not ready"

    def by_name(self) -> bool:
        return not self.pinned

    def add_static(self, files: bytes) -> None:
        self.step()

    def asked(self, name: str) -> bool:
        service = name.rpartition("-")[0]
        if service in self.pinned:
            return name in self.pinned[service]
        return any(each.id == name and each.running for each in self.there)

    # --- readiness
    def wait_ready(self, _, containers: Iterable[Container]) -> None:
        self.step()
        for each in containers:
            if self.broken or self.tree(each) in self.unready:
                raise impossible(f"{each.id} is not ready\n  {each.service} | its last words")
            self.ready.add(each.id)

    def who_is_ready(self, _, containers: Iterable[Container]) -> list[Container]:
        return [each for each in containers if each.id in self.ready]

    def try_out(self, _, each: Container, release: str) -> None:
        self.step()
        assert self.images[each.image].release == release
        if self.tree(each) in self.rude:
            raise impossible(f"{each.id} answers /plaintext with b'Hello'")

    def watch(self, _, containers: Iterable[Container], seconds: float) -> None:
        self.step()
        for each in containers:
            assert each.id in self.pinned[each.service]
            if each.service in self.breaking:
                self.ready.discard(each.id)
                raise impossible(f"{each.id} ended by itself")
        self.events.append("watch")

    def runs(self, service: str) -> str:
        found = state.read(self.settings.run) if self.settings else None
        return found["releases"][service]["now"]["image"] if found else ""

    def tree(self, each: Container) -> str:
        return self.images[each.image].tree if each.image in self.images else ""

    def alive(self, service: str) -> list[str]:
        return [each.id for each in self.there if each.service == service and each.running]


class Commands:
    """Two flask and one fastapi of one release, and what ./ponte would do with them, from what state.json says."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch):
        (root / "apps").mkdir()
        self.root, self.run = root, root / ".run"
        self.edit("first")
        self.first = Release(tree(root, ("apps",)), "dev")
        self.monkeypatch = monkeypatch
        self.begin()

    def begin(self) -> None:
        """As `up` leaves it."""
        self.edit("first")
        self.dock = dock = Dock(build({"COMPOSE_PROJECT_NAME": "p"}, {}, self.root, self.run))
        record = Record(self.run, {"engine": "compose", "project": "p", "counts": dict(COUNTS)})
        for name in (*SERVICES, MIGRATE):
            image = dock.put(name, self.first)
            record.releases[name] = Standing(Built(self.first.tree, "dev", image))
        for name, number in COUNTS.items():
            for _ in range(number):
                dock.make(name)
        dock.change_all("running")
        dock.ready = {each.id for each in dock.there}
        self.stand_in(self.monkeypatch, dock)
        record.save()
        dock.steps = 0

    def stand_in(self, monkeypatch: pytest.MonkeyPatch, dock: Dock) -> None:
        monkeypatch.setattr(state, "write", dock.write)
        monkeypatch.setattr(state.os, "fsync", lambda _: None)  # the machine does not lose its power
        monkeypatch.setattr(change, "listed", lambda docker: list(dock.there))
        monkeypatch.setattr(change, "wait_ready", dock.wait_ready)
        for name in ("who_is_ready", "try_out", "watch"):
            monkeypatch.setattr(readiness, name, getattr(dock, name))
        monkeypatch.setattr(deploying.launcher, "check", lambda settings, services: {})
        monkeypatch.setattr(deploying.limits, "check", lambda demands: None)
        monkeypatch.setattr(deploying.listing, "command", lambda docker, each: "--workers 1")
        monkeypatch.setattr(deploying.input, "check_connections", lambda *_: None)
        monkeypatch.setattr(deploying.static, "collected", lambda *_: b"")
        monkeypatch.setattr(Console, "__call__", lambda self, text: None)

    def edit(self, text: str) -> None:
        (self.root / "apps" / "app.py").write_text(text)

    def release(self, text: str = "second") -> Release:
        """The checkout is edited; what a deploy releases from now on."""
        self.edit(text)
        return Release(tree(self.root, ("apps",)), "dev")

    @property
    def record(self) -> Record:
        found = state.read(self.run)
        assert found
        return Record(self.run, found)

    def deploying(self, **given: str) -> Deploying:
        checkout = build(given, given, self.root, self.run)
        return Deploying(Change(self.dock, self.dock), Images(self.dock), self.record, checkout)  # type: ignore[arg-type]

    def serving(self) -> set[Release]:
        """What answers, once everything is as it should be: a plain `docker compose up` would change nothing."""
        record, dock = self.record, self.dock
        assert dock.by_name()
        assert {each.id for each in dock.there if each.running} == {each.id for each in dock.there} <= dock.ready
        assert {name: len(dock.alive(name)) for name in SERVICES} == record.counts
        assert (record.phase, record.toward) == ("up", {})
        for each in dock.there:
            assert each.image == record.releases[each.service].now.image == dock.tags[f"p-{each.service}:latest"]
        assert dock.tags[f"p-{MIGRATE}:latest"] == record.releases[MIGRATE].now.image
        assert not [name for name in dock.tags if name.endswith(":next")]
        kept = {each.image for one in record.releases.values() for each in (one.now, one.before) if each}
        assert kept == set(dock.images) == set(dock.tags.values())
        return {dock.images[each.image] for each in dock.there}
