"""`up` of the native engine: checks everything first, then starts, and undoes what it could not finish."""

import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from deploy import environment, launcher, limits
from deploy.console import Console, Step
from deploy.errors import impossible
from deploy.native import credentials, django, leftovers, postgres, releases, replicas, secrets
from deploy.native.keeper import wait
from deploy.native.keeping import Keeping
from deploy.native.layout import Layout
from deploy.native.record import Member, Record
from deploy.native.routing import Routing
from deploy.native.stop import stop_all
from deploy.ports import allocate, refuse_taken
from deploy.release import Release, Standing
from deploy.settings import Settings
from deploy.tree import tree
from deploy.variables import DJANGO, SERVICES

APPS = ("apps",)
DATABASE_SECONDS = 30
EDGE_SECONDS = 10


class Start:
    def __init__(self, settings: Settings, say: Console, layout: Layout, keeper: Keeping, before: Record | None = None):
        self.settings, self.say, self.layout, self.keeper = settings, say, layout, keeper
        self.record = Record(
            project=settings.project,
            engine=keeper.engine,
            edge_tree=tree(settings.root, ("nginx",)),
            url=settings.url,
            given=dict(settings.given),
            words=dict(settings.words),
            counts=dict(settings.replicas),
            releases=self.standing(before),
        )

    def standing(self, before: Record | None) -> dict[str, Standing]:
        """The checkout's tree; a stack whose keeper died comes back with what it ran."""
        if before and not self.settings.dev and all(releases.there(tree, self.layout) for tree in before.trees()):
            return before.releases
        release = Release(tree(self.settings.root, APPS), self.settings.release)
        return {name: Standing(release) for name in SERVICES}

    def run(self) -> Record:
        commands = check(self.settings, self.settings.replicas)
        if self.layout.shares_venv:
            environment.need(self.settings.root, *launcher.packages(self.settings, SERVICES))
        self.find_programs()
        leftovers.end(self.layout, self.say)
        refuse_taken(self.settings)
        credentials.put(self.settings, self.layout)
        self.plan(commands)
        with self.undone_on_failure(), self.say.progress("starting") as step:
            self.layout.make()
            self.record.save(self.layout.run)
            self.start_database(step)
            self.prepare_apps(step)
            self.start_apps(step)
            self.start_edge(step)
            self.record.phase = "up"
            self.record.save(self.layout.run)
        return self.record

    def find_programs(self) -> None:
        self.routing = Routing(self.settings, self.layout, self.keeper)
        self.record.about["nginx"] = self.routing.version
        self.say(self.routing.remark) if self.routing.remark else None
        if not external(self.settings):
            self.postgres = postgres.locate(self.settings, self.layout.data)
            self.record.about["postgres"] = f"PostgreSQL {self.postgres.major}"

    def plan(self, commands: dict[str, str]) -> None:
        """Names and ports of everything, before anything starts."""
        ours = {self.settings.http_port, self.settings.https_port}
        self.record.status_port, spare = allocate(self.layout.run, 2, ours)
        if not external(self.settings):
            self.record.database_port = spare
        for service, count in self.settings.replicas.items():
            places = self.keeper.places(self.record, service, count, self.record.releases[service].now, ours)
            for name, port in places:
                self.add(name, service, port, commands[service])

    def add(self, name: str, service: str, port: int, command: str) -> None:
        self.record.members[name] = Member(
            name,
            service,
            port,
            launcher.server(self.settings, service),
            launcher.workers(command),
            self.record.releases[service].now,
        )

    @contextmanager
    def undone_on_failure(self) -> Iterator[None]:
        try:
            yield
        except BaseException:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            self.say("stopping what was started")
            stop_all(self.keeper, self.layout)
            raise

    def start_database(self, step: Step) -> None:
        if self.record.database_port is None:
            secrets.put(self.layout.secrets / "database_url", external(self.settings))
            return self.keeper.start()
        step("preparing PostgreSQL")
        password = postgres.prepare(self.postgres, self.layout)
        url = secrets.database_url(password, self.record.database_port)
        secrets.put(self.layout.secrets / "database_url", url)
        self.start_postgres(step)

    def start_postgres(self, step: Step) -> None:
        port = self.record.database_port or 0
        (self.layout.data / "postmaster.pid").unlink(missing_ok=True)  # nobody of ours runs
        self.keeper.start()
        self.keeper.add([postgres.program(self.postgres, self.layout, port)])
        step("waiting for PostgreSQL")
        if not wait(lambda: postgres.ready(self.postgres, port), DATABASE_SECONDS):
            raise replicas.failed("postgres", "does not answer", self.layout)

    def prepare_apps(self, step: Step) -> None:
        step("migrating the database, collecting static files")
        secrets.once(self.layout.secrets / "secret_key")
        if self.settings.secret_key:
            secrets.put(self.layout.secrets / "secret_key", self.settings.secret_key)
        now = {name: each.now.tree for name, each in self.record.releases.items()}
        for name in set(now.values()):
            releases.take(name, self.settings, self.layout)
            releases.equip(name, self.settings, self.layout, self.say)
        releases.forget_others(self.record, self.layout)
        owner = next(now[name] for name in (*DJANGO, *now) if name in now)
        with ThreadPoolExecutor(2) as pool:
            jobs = (
                pool.submit(django.migrate, owner, self.settings, self.layout, self.keeper),
                pool.submit(django.collect, owner, self.settings, self.layout, self.keeper, "--clear"),
            )
            for job in jobs:
                job.result()

    def start_apps(self, step: Step) -> None:
        step("starting the replicas")
        members = list(self.record.members.values())
        self.keeper.add(replicas.program(each, self.settings, self.layout) for each in members)
        replicas.wait_ready(members, self.keeper, self.layout, step)
        self.record.routed = [each.name for each in members]

    def start_edge(self, step: Step) -> None:
        step("starting nginx")
        releases.refresh_nginx(self.settings, self.layout)
        self.routing.prepare(self.record)
        self.keeper.add([self.routing.program(), self.routing.rotation()])
        if not wait(lambda: edge_ready(self.settings), EDGE_SECONDS):
            raise replicas.failed("nginx", "does not answer", self.layout)


def check(settings: Settings, counts) -> dict[str, str]:
    """The input, before anything starts: servers by the launcher, connections by the sum."""
    commands = launcher.check(settings, SERVICES)
    limits.check(
        {
            name: limits.Demand(counts[name], launcher.workers(line), int(settings.app("DATABASE_POOL", name)))
            for name, line in commands.items()
        }
    )
    return commands


def external(settings: Settings) -> str:
    """The address of a database of the user's own, if one was given."""
    if settings.database_url_file:
        try:
            return open(settings.database_url_file).read().strip()
        except OSError as error:
            raise impossible(f"DATABASE_URL_FILE cannot be read: {error}") from None
    return settings.database_url


def edge_ready(settings: Settings) -> bool:
    from urllib.error import URLError
    from urllib.request import urlopen

    try:
        return urlopen(f"{settings.url}/healthz", timeout=2).status == 200
    except (URLError, OSError):
        return False
