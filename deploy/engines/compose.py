"""The engine with containers: compose.yaml, driven so that a change loses no request."""

import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property

from deploy import state
from deploy.backup.database import Database
from deploy.compose import credentials, input, listing, readiness
from deploy.compose.change import Change
from deploy.compose.containers import Container, listed
from deploy.compose.database import database
from deploy.compose.decision import Decision
from deploy.compose.deploying import MIGRATE, Deploying
from deploy.compose.docker import Docker
from deploy.compose.edge import Edge
from deploy.compose.images import Images
from deploy.compose.pins import offered
from deploy.compose.record import Built, Record, Standing
from deploy.console import Console
from deploy.engines.base import Engine, Replica
from deploy.errors import Refused, impossible
from deploy.listing import urls
from deploy.release import Release
from deploy.run import undisturbed
from deploy.settings import Settings
from deploy.tree import tree
from deploy.variables import SERVICES, VARIABLES, everywhere, prefix

NOTHING_UP = "nothing is up; start the stack with ./ponte up"
EDGE = ("nginx",)
ALONE = ("nginx", "postgres")
PROJECTS = "used-compose"  # in .run; outlives `down`, so that `clean` knows
EVERYTHING = ("--profile", "loadtest")  # (!) `down` leaves running what belongs to a profile it was not told of
LOG_LINES = "200"  # of each container
# By down and up change a published address, and what the servers that run have to understand.
KEPT_ON_RELOAD = ("BIND_ADDRESS", "HTTP_PORT", "HTTPS_PORT", *everywhere("UPSTREAM_HTTP2"))


class Compose(Engine):
    name = "compose"

    def __init__(self, settings: Settings, say: Console):
        super().__init__(settings, say)
        self.record = self.read()
        self.docker = self.speaks(self.remembered)

    def speaks(self, settings: Settings) -> Docker:
        return Docker(settings, self.say)

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
        self.record, self.docker = {}, self.speaks(self.settings)
        self.start()
        urls(self.settings, self.ready_now(), self.say)

    def start(self) -> None:
        commands = input.check(self.docker)
        self.images.obtain(self.settings)
        input.check_connections(self.docker, self.settings.replicas, commands)
        credentials.check(self.docker)
        with self.undone_on_failure():
            self.write()
            self.images.keep(self.built())
            self.start_containers(self.settings.replicas)  # anew: what is left of an older tree must not run again

    def built(self) -> dict[str, Standing]:
        """What `latest` is; written down as what runs."""
        found, images, record = self.brought(), self.images, Record(self.settings.run, self.record)
        built = {name: Built(found.tree, found.release, images.id(name)) for name in (*SERVICES, MIGRATE)}
        record.releases = {name: Standing(each) for name, each in built.items()}
        record.save()
        return record.releases

    def brought(self) -> Release:
        """What `up` has made images of."""
        return offered(self.settings, Release("", self.settings.release))

    @property
    def images(self) -> Images:
        return Images(self.docker)

    def write(self) -> None:
        settings = self.settings
        self.record = {
            "engine": self.name,
            "project": settings.project,
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

    def start_containers(self, counts: Mapping[str, int]) -> None:
        scale = [word for name, count in counts.items() for word in ("--scale", f"{name}={count}")]
        words = ("up", "--detach", "--no-build", *scale)
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
            with undisturbed(signal.SIGINT):
                self.say("stopping what was started; the data stay")
                self.take_away()
                state.forget(self.settings.run)
            raise

    def take_away(self) -> None:
        words = (*EVERYTHING, "down", "--remove-orphans", "--timeout", "10")
        self.docker.ask(*self.docker.compose(*words), check=False)

    def up_again(self) -> None:
        """Changes nothing that is right: starts what is missing, says what differs."""
        changed = self.revive_alone() | self.deploying().settle()
        readiness.wait_ready(self.docker, self.lasting())
        if credentials.put(self.docker):
            self.edge().route_by_name()
            self.say("the certificate was renewed")
        self.say(
            f"the stack is up at {self.remembered.url}; "
            + ("what was missing runs again" if changed else "nothing was changed")
        )
        for line in self.differences():
            self.say(line)
        urls(self.remembered, self.ready_now(), self.say)

    def revive_alone(self) -> bool:
        """Of nginx and PostgreSQL there is one each. (!) Compose would drop replicas that it finds too many."""
        found = self.containers()
        absent = [name for name in ALONE if not any(each.service == name and each.running for each in found)]
        if absent:
            counts = {name: sum(each.service == name for each in found) for name in SERVICES}
            scale = [word for name, count in counts.items() for word in ("--scale", f"{name}={count}")]
            words = ("create", "--no-build", "--no-recreate", *scale, *absent)
            self.docker.run(*self.docker.compose(*words), text="making what is missing")
            ids = [each.hostname for each in self.containers() if each.service in absent]
            self.docker.run("docker", "start", *ids, text=f"starting {', '.join(absent)}")
            readiness.wait_ready(self.docker, [each for each in self.lasting() if each.service in absent])
        return bool(absent)

    def differences(self) -> Iterator[str]:
        if not self.record:
            return
        yield from self.unreleased()
        if self.record["edge_tree"] != tree(self.settings.root, EDGE):
            yield "nginx/ differs from what runs; ./ponte reload takes it in"
        replicas = {f"{prefix(name)}_REPLICAS" for name in SERVICES}
        other = [name for name, value in self.settings.given.items() if value != self.was(name)]
        if set(other) - {"ENGINE", "RELEASE"} - replicas:
            yield f"{', '.join(other)} differ from what runs; ./ponte down and ./ponte up apply them"

    def unreleased(self) -> Iterator[str]:
        if self.remembered.dev:
            return
        releases = Record(self.settings.run, self.record).releases
        running = {now.runs for name in SERVICES if name in releases and (now := releases[name].now).noted}
        found = {offered(self.settings, each) for each in running}
        if {each.tree for each in found} != {each.tree for each in running}:
            yield "apps/ differs from what runs; ./ponte deploy releases it"
        elif found != running:
            yield "RELEASE differs from what runs; ./ponte deploy releases it"

    def was(self, name: str) -> str:
        return self.record.get("given", {}).get(name, VARIABLES[name].default)

    def down(self) -> None:
        if not self.containers():
            state.forget(self.settings.run)
            raise impossible(NOTHING_UP)
        self.docker.run(
            *self.docker.compose(*EVERYTHING, "down", "--remove-orphans"), text="stopping: nginx, replicas, PostgreSQL"
        )
        state.forget(self.settings.run)

    def clean(self) -> None:
        for project in {*self.projects(), self.docker.settings.project}:
            given = {**self.docker.settings.given, "COMPOSE_PROJECT_NAME": project}
            self.docker = self.speaks(self.settings.again(given, {}))
            self.remove()
        state.forget(self.settings.run)

    def remove(self) -> None:
        self.containers()
        words = (
            *EVERYTHING,
            "down",
            "--volumes",
            "--remove-orphans",
            "--rmi",
            "local",
        )  # local: those that are built here
        self.docker.run(*self.docker.compose(*words), text="removing containers, networks, data and images")
        self.images.clear((*SERVICES, MIGRATE))

    def ps(self) -> list[Replica]:
        return listing.replicas(self.docker)

    def ready(self, service: str) -> int:
        """(!) A whole look starts two processes in each container, which a busy machine feels."""
        return len(readiness.who_is_ready(self.docker, [each for each in self.containers() if each.service == service]))

    def ready_now(self) -> list[Replica]:
        """For the closing table of `up`, where everything has just been found ready."""
        return [Replica(each.service, each.hostname, "running", True) for each in self.containers() if each.running]

    def logs(self, service: str | None, follow: bool) -> None:
        words = ["--tail", LOG_LINES, *(["--follow"] if follow else []), *([service] if service else [])]
        argv = self.docker.compose("logs", *words)
        self.docker.hand_over(argv) if sys.stdout.isatty() else self.docker.print(argv)

    def edge_log(self, since: float) -> Iterator[str]:
        for each in self.containers():
            if each.service == "nginx":
                argv = ("docker", "logs", "--since", f"{since:.3f}", each.id)
                with self.docker.started(argv, subprocess.DEVNULL) as process:
                    yield from process.stdout or ()
                if process.returncode:
                    raise impossible(f"docker does not give the log of {each.hostname}")

    def restart(self, service: str | None) -> None:
        self.must_be_up()
        if service == "nginx":
            return self.reload()
        if service == "postgres":
            return self.restart_database()
        self.deploying().settle()
        self.change().restart([service] if service else SERVICES)

    def restart_database(self) -> None:
        """(!) There is one of it, so a restart is a gap."""
        self.say("restarting PostgreSQL; until it answers again the apps say 503")
        found = self.one("postgres")
        self.docker.run("docker", "restart", "-t", str(found.stop_seconds), found.hostname)
        readiness.wait_ready(self.docker, [found])

    def scale(self, service: str, replicas: int) -> None:
        self.must_be_up()
        self.deploying().settle()
        counts = self.counts() | {service: replicas}
        commands = {each.service: listing.command(self.docker, each) for each in self.lasting() if each.app}
        input.limits.check(input.demands(self.docker.settings, counts, commands))
        self.change().scale(service, replicas)
        if self.record:
            self.record["counts"] = {**self.record.get("counts", {}), service: replicas}
            state.write(self.settings.run, self.record)

    def change(self) -> Change:
        return Change(self.docker, self.edge())

    def edge(self) -> Edge:
        return Edge(self.docker, self.one("nginx"), Record(self.settings.run, self.record).word())

    def counts(self) -> dict[str, int]:
        running = [each.service for each in self.containers() if each.running]
        return {name: running.count(name) for name in running}

    def deploy(self, services: Sequence[str], strategy: str) -> None:
        self.releases().deploy(services, strategy)

    def rollback(self, services: Sequence[str]) -> None:
        self.releases().rollback(services)

    def releases(self) -> Decision:
        self.must_be_up()
        if self.docker.settings.dev:
            raise Refused("with DEV=1 the checkout itself runs and has no releases; ./ponte down, then up without DEV")
        return self.deploying()

    def deploying(self) -> Deploying:
        if not self.record:  # plain compose started it
            self.write()
            self.record["counts"] = {}
        record = Record(self.settings.run, self.record)
        return Deploying(self.change(), self.images, record, self.settings)

    def reload(self) -> None:
        settings = self.reloaded()
        docker = self.speaks(settings)
        input.refuse_unreadable_files(settings)
        credentials.put(docker)
        word = Record(self.settings.run, self.record).word()
        Edge(docker, self.one("nginx"), word).take_in(settings.root)
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
        found = database(self.docker, self.one("postgres"), *(["--tty"] if sys.stdin.isatty() else []))
        return self.docker.hand_over(found.program("psql"), found.environment)

    def database(self) -> Database:
        return database(self.docker, self.one("postgres"))

    def migrate(self) -> None:
        deploying = self.deploying()
        deploying.settle()
        running = [deploying.record.releases[name].now for name in SERVICES]
        for image in {each.tree: each for each in running}.values():
            deploying.migrate(image)

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
