"""The engine without containers: the same stack as plain processes of the calling user."""

from collections.abc import Iterator, Mapping, Sequence

from deploy import environment
from deploy.backup.database import Database
from deploy.console import Console
from deploy.engines.base import Engine, Replica
from deploy.errors import Refused, impossible
from deploy.listing import urls
from deploy.release import of_checkout
from deploy.settings import Settings
from deploy.tree import tree
from deploy.variables import SERVICES, VARIABLES, everywhere

# By down and up change a listening address, and what the servers that run have to understand.
KEPT_ON_RELOAD = ("BIND_ADDRESS", "HTTP_PORT", "HTTPS_PORT", *everywhere("UPSTREAM_HTTP2"))


class Native(Engine):
    name = "native"

    def __init__(self, settings: Settings, say: Console):
        super().__init__(settings, say)
        environment.need(settings.root, "deploy/native", "nginx")
        self.layout, self.keeper = self.kept()

    def kept(self):
        """Where it keeps its files, and what keeps its processes."""
        from deploy.native.keeper import Keeper
        from deploy.native.layout import Layout

        layout = Layout(self.settings.root, self.settings.run)
        return layout, Keeper(layout)

    def up(self) -> None:
        from deploy.native import sound
        from deploy.native.start import Start

        record, runs = sound.mended(self.layout, self.keeper, self.say)
        if record and runs:
            return self.up_again(record)
        settings = sound.as_it_was(self.settings, record) if record else self.settings
        if self.layout.shares_venv:
            environment.need(settings.root, "apps")  # not while a stack runs, whose packages they are
        record = Start(settings, self.say, self.layout, self.keeper, record).run()
        for line in self.unreleased(record):
            self.say(line)
        urls(settings, self.listing(record), self.say)

    def up_again(self, record) -> None:
        """Changes nothing that is right: starts what has failed, says what differs."""
        mended = self.change().mend()
        self.renew_certificate(record)
        self.say(
            f"the stack is up at {record.url}; {'what was missing runs again' if mended else 'nothing was changed'}"
        )
        for line in self.differences(record):
            self.say(line)
        urls(self.remembered(record), self.ps(), self.say)

    def renew_certificate(self, record) -> None:
        from deploy.native import credentials

        settings = self.remembered(record)
        if credentials.put(settings, self.layout):
            self.routing(settings).apply(record)
            self.say("the certificate was renewed")

    def differences(self, record) -> Iterator[str]:
        yield from self.unreleased(record)
        if record.edge_tree != tree(self.settings.root, ("nginx",)):
            yield "nginx/ differs from what runs; ./ponte reload takes it in"
        other = [name for name, value in self.settings.given.items() if value != was(record, name)]
        if set(other) - {"ENGINE", "RELEASE"}:
            yield f"{', '.join(other)} differ from what runs; ./ponte down and ./ponte up apply them"

    def unreleased(self, record) -> Iterator[str]:
        if self.remembered(record).dev:
            return
        running = {each.now for each in record.releases.values()}
        found = {of_checkout(self.settings, each) for each in running}
        if {each.tree for each in found} != {each.tree for each in running}:
            yield "apps/ differs from what runs; ./ponte deploy releases it"
        elif found != running:
            yield "RELEASE differs from what runs; ./ponte deploy releases it"

    def down(self) -> None:
        from deploy.native import sound

        if not sound.anything(self.layout, self.keeper):
            raise impossible(sound.NOTHING_UP)
        sound.clear(self.layout, self.keeper, self.say)

    def clean(self) -> None:
        from deploy.native import sound

        if sound.anything(self.layout, self.keeper):
            sound.clear(self.layout, self.keeper, self.say)

    def ps(self) -> list[Replica]:
        return self.listing(self.record())

    def url(self) -> str:
        return self.record().url

    def logs(self, service: str | None, follow: bool) -> None:
        from deploy.native import logs

        logs.show(self.layout.logs, service, follow, self.say)

    def edge_log(self, since: float) -> Iterator[str]:
        from deploy.native import logs

        return logs.edge(self.layout.logs, since)

    def restart(self, service: str | None) -> None:
        if service in ("nginx", "postgres"):
            return self.restart_program(service)
        self.change().restart([service] if service else SERVICES)

    def restart_program(self, name: str) -> None:
        """(!) There is one of each, so a restart is a gap; nginx takes new files by `reload` without one."""
        self.record()
        if name == "nginx":
            return self.reload()
        self.say("restarting PostgreSQL; until it answers again the apps say 503")
        self.keeper.stop([name], 35)
        self.keeper.start_again([name])

    def scale(self, service: str, replicas: int) -> None:
        self.change().scale(service, replicas)

    def deploy(self, services: Sequence[str], strategy: str) -> None:
        self.deploying().deploy(services, strategy)

    def rollback(self, services: Sequence[str]) -> None:
        self.deploying().rollback(services)

    def deploying(self):
        from deploy.native.deploying import Deploying

        change = self.change()
        if change.settings.dev:
            raise Refused("with DEV=1 the checkout itself runs and has no releases; ./ponte down, then up without DEV")
        return Deploying(change, self.settings)

    def reload(self) -> None:
        from deploy.native import credentials, releases

        record = self.record()
        settings = self.reloaded(record)
        credentials.put(settings, self.layout)
        self.routing(settings).apply(record, settings.root / "nginx")
        releases.refresh_nginx(settings, self.layout)
        record.edge_tree = tree(settings.root, ("nginx",))
        record.given = dict(settings.given)
        record.save(self.layout.run)
        self.say("nginx has the new configuration")

    def reloaded(self, record) -> Settings:
        """What is set now, at the address that was."""
        address = {name: was(record, name) for name in KEPT_ON_RELOAD}
        return self.settings.again(
            {**self.settings.given, **record.words, **self.settings.words, **address}, record.words
        )

    def config(self) -> Mapping[str, str]:
        from deploy.native import credentials
        from deploy.native.look import config

        record = self.record() if self.keeper.alive() else None
        settings = self.remembered(record) if record else self.settings
        if not record:
            credentials.put(settings, self.layout)
        return config(settings, self.layout, self.routing(settings), record)

    def shell(self, service: str) -> int:
        from deploy.native.look import shell

        record = self.record()
        return shell(service, record, self.remembered(record), self.layout)

    def psql(self) -> int:
        from deploy.native.look import psql

        return psql(self.remembered(self.record()), self.layout)

    def database(self) -> Database:
        from deploy.native.database import database

        return database(self.remembered(self.record()), self.layout)

    def migrate(self) -> None:
        from deploy.native.django import migrate

        record = self.record()
        for running in {each.now.tree for each in record.releases.values()}:
            migrate(running, self.remembered(record), self.layout, self.keeper)

    def record(self):
        from deploy.native import sound

        return sound.running(self.layout, self.keeper)

    def remembered(self, record) -> Settings:
        return self.settings.again(record.given, record.words)

    def listing(self, record) -> list[Replica]:
        from deploy.native.status import listing

        return listing(record, self.remembered(record), self.keeper)

    def routing(self, settings: Settings):
        from deploy.native.routing import Routing

        return Routing(settings, self.layout, self.keeper)

    def change(self):
        from deploy.native.change import Change

        record = self.record()
        return Change(record, self.remembered(record), self.say, self.layout, self.keeper)


def was(record, name: str) -> str:
    return record.given.get(name, VARIABLES[name].default)
