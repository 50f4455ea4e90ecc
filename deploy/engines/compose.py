"""The engine with containers: compose.yaml, driven so that a change loses no request."""

import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property

from deploy import state
from deploy.compose import input, listing, readiness
from deploy.compose.change import Change
from deploy.compose.containers import Container, listed
from deploy.compose.docker import Docker
from deploy.compose.edge import Edge
from deploy.console import Console
from deploy.engines.base import Engine, Replica
from deploy.errors import Refused, impossible
from deploy.listing import urls
from deploy.settings import Settings
from deploy.tree import tree
from deploy.variables import SERVICES, VARIABLES, prefix

NOTHING_UP = "nothing is up; start the stack with ./ponte up"
APPS, EDGE = ("apps",), ("nginx",)
PROJECTS = "used-compose"  # in .run; outlives `down`, so that `clean` knows
LOG_LINES = "200"  # of each container
KEPT_ON_RELOAD = ("BIND_ADDRESS", "HTTP_PORT")  # a published address changes by down and up


class Compose(Engine):
    name = "compose"

    def __init__(self, settings: Settings, say: Console):
        super().__init__(settings, say)
        self.record = self.read()
        self.docker = Docker(self.remembered, say)

    def read(self) -> state.State:
        """What was written when the stack was started; nothing for one that plain compose started."""
        try:
            found = state.read(self.settings.run) or {}
        except state.Damaged:
            return {}
        return found if found.get("engine") == self.name else {}

    @cached_property
    def remembered(self) -> Settings:
        """The settings the stack runs with, so that a later command need not repeat them."""
        if "given" not in self.record:
            return self.settings
        return self.settings.again(self.record["given"], self.record.get("words", {}))

    def up(self) -> None:
        if any(each.running and each.service in (*SERVICES, "nginx") for each in self.containers()):
            return self.up_again()
        self.record, self.docker = {}, Docker(self.settings, self.say)
        self.start()
        urls(self.settings, self.ready_now(), self.say)

    def start(self) -> None:
        commands = input.check(self.docker)
        self.docker.run(*self.docker.compose("build"), text="building the images")
        input.check_connections(self.docker, self.settings.replicas, commands)
        with self.undone_on_failure():
            self.write()
            self.start_containers(self.settings.replicas)  # anew: what is left of an older tree must not run again

    def write(self) -> None:
        settings = self.settings
        self.record = {
            "engine": self.name,
            "project": settings.project,
            "release": settings.release,
            "tree": tree(settings.root, APPS),
            "edge_tree": tree(settings.root, EDGE),
            "url": settings.url,
            "given": dict(settings.given),
            "words": dict(settings.words),
            "counts": dict(settings.replicas),
        }
        state.write(settings.run, self.record)
        state.replace(settings.run / PROJECTS, "\n".join(sorted({*self.projects(), settings.project})))

    def projects(self) -> list[str]:
        """Every name this checkout was started under; the data of each may still be there."""
        path = self.settings.run / PROJECTS
        return path.read_text().split() if path.exists() else []

    def start_containers(self, counts: Mapping[str, int], *words: str) -> None:
        scale = [word for name, count in counts.items() for word in ("--scale", f"{name}={count}")]
        words = ("up", "--detach", "--no-build", *words, *scale)
        try:
            self.docker.run(*self.docker.compose(*words), text="starting the containers")
        except Refused:
            self.name_culprit()
            raise
        readiness.wait_ready(self.docker, self.lasting())

    def name_culprit(self) -> None:
        """Compose says that a container failed; its own last words say why."""
        for each in self.containers():
            if each.exit_code and not each.running:
                raise readiness.failed(self.docker, each, f"ended with code {each.exit_code}")

    @contextmanager
    def undone_on_failure(self) -> Iterator[None]:
        try:
            yield
        except BaseException:
            before = signal.signal(signal.SIGINT, signal.SIG_IGN)
            self.say("stopping what was started; the data stay")
            self.docker.ask(*self.docker.compose("down", "--remove-orphans", "--timeout", "10"), check=False)
            state.forget(self.settings.run)
            signal.signal(signal.SIGINT, before)
            raise

    def up_again(self) -> None:
        """Changes nothing that is right: starts what is missing, says what differs."""
        counts = self.counts_wanted()
        changed = not self.complete(counts)
        if changed:
            self.start_containers(counts, "--no-recreate")
        else:
            readiness.wait_ready(self.docker, self.lasting())
        self.say(
            f"the stack is up at {self.remembered.url}; "
            + ("what was missing runs again" if changed else "nothing was changed")
        )
        for line in self.differences():
            self.say(line)
        urls(self.remembered, self.ready_now(), self.say)

    def counts_wanted(self) -> dict[str, int]:
        """What was started or scaled to; for a stack of plain compose, what is there."""
        there = {name: sum(each.service == name for each in self.containers()) for name in SERVICES}
        return {name: self.record.get("counts", {}).get(name) or there[name] or 1 for name in SERVICES}

    def complete(self, counts: Mapping[str, int]) -> bool:
        wanted = {**counts, "nginx": 1, "postgres": 1}
        running = [each.service for each in self.containers() if each.running]
        return all(running.count(name) == count for name, count in wanted.items())

    def differences(self) -> Iterator[str]:
        if not self.record:
            return
        if self.record["tree"] != tree(self.settings.root, APPS) and not self.remembered.dev:
            yield "apps/ differs from what runs; ./ponte deploy releases it"
        if self.record["edge_tree"] != tree(self.settings.root, EDGE):
            yield "nginx/ differs from what runs; ./ponte reload takes it in"
        replicas = {f"{prefix(name)}_REPLICAS" for name in SERVICES}
        other = [name for name, value in self.settings.given.items() if value != self.was(name)]
        if set(other) - {"ENGINE"} - replicas:
            yield f"{', '.join(other)} differ from what runs; ./ponte down and ./ponte up apply them"

    def was(self, name: str) -> str:
        return self.record.get("given", {}).get(name, VARIABLES[name].default)

    def down(self) -> None:
        if not self.containers():
            state.forget(self.settings.run)
            raise impossible(NOTHING_UP)
        self.docker.run(*self.docker.compose("down", "--remove-orphans"), text="stopping: nginx, replicas, PostgreSQL")
        state.forget(self.settings.run)

    def clean(self) -> None:
        for project in {*self.projects(), self.docker.settings.project}:
            given = {**self.docker.settings.given, "COMPOSE_PROJECT_NAME": project}
            self.docker = Docker(self.settings.again(given, {}), self.say)
            self.remove()
        state.forget(self.settings.run)

    def remove(self) -> None:
        self.containers()
        words = ("down", "--volumes", "--remove-orphans", "--rmi", "local")  # local: those that are built here
        self.docker.run(*self.docker.compose(*words), text="removing containers, networks, data and images")

    def ps(self) -> list[Replica]:
        return listing.replicas(self.docker)

    def ready_now(self) -> list[Replica]:
        """For the closing table of `up`, where everything has just been found ready."""
        return [Replica(each.service, each.hostname, "running", True) for each in self.containers() if each.running]

    def logs(self, service: str | None, follow: bool) -> None:
        words = ["--tail", LOG_LINES, *(["--follow"] if follow else []), *([service] if service else [])]
        argv = self.docker.compose("logs", *words)
        self.docker.hand_over(argv) if sys.stdout.isatty() else self.docker.print(argv)

    def restart(self, service: str | None) -> None:
        self.must_be_up()
        if service == "nginx":
            return self.reload()
        if service == "postgres":
            return self.restart_database()
        self.change().restart([service] if service else SERVICES)

    def restart_database(self) -> None:
        """(!) There is one of it, so a restart is a gap."""
        self.say("restarting PostgreSQL; until it answers again the apps say 503")
        found = self.one("postgres")
        self.docker.run("docker", "restart", "-t", str(found.stop_seconds), found.hostname)
        readiness.wait_ready(self.docker, [found])

    def scale(self, service: str, replicas: int) -> None:
        self.must_be_up()
        counts = self.counts() | {service: replicas}
        commands = {each.service: listing.command(self.docker, each) for each in self.lasting() if each.app}
        input.limits.check(input.demands(self.docker.settings, counts, commands))
        self.change().scale(service, replicas)
        if self.record:
            self.record["counts"] = {**self.record.get("counts", {}), service: replicas}
            state.write(self.settings.run, self.record)

    def change(self) -> Change:
        return Change(self.docker, Edge(self.docker, self.one("nginx")))

    def counts(self) -> dict[str, int]:
        running = [each.service for each in self.containers() if each.running]
        return {name: running.count(name) for name in running}

    def reload(self) -> None:
        settings = self.reloaded()
        Edge(Docker(settings, self.say), self.one("nginx")).take_in(settings.root)
        if self.record:
            self.record |= {"edge_tree": tree(settings.root, EDGE), "given": dict(settings.given)}
            state.write(self.settings.run, self.record)
        self.say("nginx has the new configuration")

    def reloaded(self) -> Settings:
        """What is set now, at the address that was."""
        words = self.record.get("words", {})
        address = {name: self.was(name) for name in KEPT_ON_RELOAD if self.record}
        return self.settings.again({**self.settings.given, **words, **self.settings.words, **address}, words)

    def url(self) -> str:
        return self.remembered.url

    def config(self) -> Mapping[str, str]:
        found = {"compose.yaml": self.docker.ask(*self.docker.compose("config"))}
        for each in self.containers():
            if each.service == "nginx" and each.running:
                view = ("nginx", "-e", "stderr", "-p", "/run/nginx/", "-c", "/run/nginx/nginx.conf", "-T", "-q")
                found["nginx"] = self.docker.ask("docker", "exec", each.id, *view)
        return found

    def shell(self, service: str) -> int:
        return self.inside(self.one(service), "bash")

    def psql(self) -> int:
        return self.inside(self.one("postgres"), "psql", "--username=ponte", "--dbname=ponte")

    def inside(self, container: Container, *words: str) -> int:
        terminal = "-it" if sys.stdin.isatty() else "-i"
        return self.docker.hand_over(["docker", "exec", terminal, container.hostname, *words])

    def containers(self) -> list[Container]:
        found = listed(self.docker)
        elsewhere = {each.folder for each in found} - {str(self.settings.root)}
        if elsewhere:
            project = self.docker.settings.project
            raise impossible(f"{project} runs from {elsewhere.pop()} already; choose another COMPOSE_PROJECT_NAME here")
        return found

    def lasting(self) -> list[Container]:
        return [each for each in self.containers() if each.check]

    def must_be_up(self) -> None:
        if not any(each.running for each in self.containers()):
            raise impossible(NOTHING_UP)

    def one(self, service: str) -> Container:
        found = [each for each in self.containers() if each.service == service and each.running]
        if not found:
            self.must_be_up()
            raise impossible(f"{service} does not run; ./ponte up starts it")
        return found[0]
