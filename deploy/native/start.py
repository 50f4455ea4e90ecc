"""`up` of the native engine: checks everything first, then starts, and undoes what it could not finish."""

import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from deploy import launcher, limits
from deploy.console import Console, Step
from deploy.errors import impossible
from deploy.native import leftovers, postgres, releases, replicas, secrets
from deploy.native.keeper import Keeper, wait
from deploy.native.layout import Layout
from deploy.native.ports import allocate, obstacle
from deploy.native.record import Member, Record
from deploy.native.routing import Routing
from deploy.native.stop import stop_all
from deploy.run import run
from deploy.settings import Settings
from deploy.tree import tree
from deploy.variables import SERVICES

DATABASE_SECONDS = 30
EDGE_SECONDS = 10


class Start:
    def __init__(self, settings: Settings, say: Console, layout: Layout, keeper: Keeper):
        self.settings, self.say, self.layout, self.keeper = settings, say, layout, keeper
        self.record = Record(
            project=settings.project,
            release=settings.release,
            tree=tree(settings.root, ("apps",)),
            edge_tree=tree(settings.root, ("nginx",)),
            url=settings.url,
            given=dict(settings.given),
            words=dict(settings.words),
        )

    def run(self) -> Record:
        commands = check(self.settings, self.settings.replicas)
        self.find_programs()
        leftovers.end(self.layout, self.say)
        refuse_taken_port(self.settings)
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
        counts = self.settings.replicas
        ports = iter(allocate(self.layout.run, sum(counts.values()) + 1, {self.settings.http_port}))
        if not external(self.settings):
            self.record.database_port = next(ports)
        for service in SERVICES:
            for number in range(1, counts[service] + 1):
                self.add(f"{service}-{number}", service, next(ports), commands[service])

    def add(self, name: str, service: str, port: int, command: str) -> None:
        self.record.members[name] = Member(
            name, service, port, server(self.settings, service), launcher.workers(command)
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
        releases.apps(self.record, self.settings, self.layout)
        releases.forget_others(self.record, self.layout)
        with ThreadPoolExecutor(2) as pool:
            jobs = [pool.submit(self.manage, *words) for words in (("migrate",), COLLECT)]
            for job in jobs:
                job.result()

    def manage(self, *words: str) -> None:
        """A command of the Django project; its output is in .run/logs."""
        apps = releases.apps(self.record, self.settings, self.layout)
        path = self.layout.logs / f"{words[0]}.log"
        environ = {
            "PATH": os.environ.get("PATH", os.defpath),
            "PYTHONPATH": f"{apps}{os.pathsep}{apps / 'django'}",
            "DATABASE_URL_FILE": str(self.layout.secrets / "database_url"),
            "SECRET_KEY_FILE": str(self.layout.secrets / "secret_key"),
            "STATIC_ROOT": str(self.layout.static / "django"),
        }
        with path.open("w") as log:
            argv = [self.layout.python, "manage.py", *words]
            done = run(argv, cwd=apps / "django", env=environ, stdout=log, stderr=log)
        if done.returncode:
            raise replicas.failed(words[0], "failed", self.layout)

    def start_apps(self, step: Step) -> None:
        step("starting the replicas")
        members = list(self.record.members.values())
        self.keeper.add(replicas.program(each, self.record, self.settings, self.layout) for each in members)
        replicas.wait_ready(members, self.keeper, self.layout, step)
        self.record.routed = [each.name for each in members]

    def start_edge(self, step: Step) -> None:
        step("starting nginx")
        releases.refresh_nginx(self.settings, self.layout)
        self.routing.prepare(self.record)
        self.keeper.add([self.routing.program()])
        if not wait(lambda: self.edge_answers(), EDGE_SECONDS):
            raise replicas.failed("nginx", "does not answer", self.layout)

    def edge_answers(self) -> bool:
        return edge_ready(self.settings)


COLLECT = ("collectstatic", "--noinput", "--clear", "--verbosity=0")


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


def server(settings: Settings, service: str) -> str:
    default = launcher.table(settings.root)["services"][service]["default"]
    return settings.app("SERVER", service) or default


def external(settings: Settings) -> str:
    """The address of a database of the user's own, if one was given."""
    if settings.database_url_file:
        try:
            return open(settings.database_url_file).read().strip()
        except OSError as error:
            raise impossible(f"DATABASE_URL_FILE cannot be read: {error}") from None
    return settings.database_url


def refuse_taken_port(settings: Settings) -> None:
    why = obstacle(settings.bind_address, settings.http_port)
    if why:
        raise impossible(why)


def edge_ready(settings: Settings) -> bool:
    from urllib.error import URLError
    from urllib.request import urlopen

    try:
        return urlopen(f"{settings.url}/healthz", timeout=2).status == 200
    except (URLError, OSError):
        return False
