"""Changes a running stack without a lost request: nobody stops who is still in nginx's routing."""

from collections.abc import Iterable
from itertools import zip_longest

from deploy import launcher
from deploy.console import Console
from deploy.native import replicas
from deploy.native.keeper import Keeper
from deploy.native.layout import Layout
from deploy.native.ports import allocate
from deploy.native.record import Member, Record
from deploy.native.routing import Routing
from deploy.native.start import check, server
from deploy.settings import Settings
from deploy.variables import SERVICES

DOWN = ("FATAL", "EXITED", "STOPPED")


class Change:
    def __init__(self, record: Record, settings: Settings, say: Console, layout: Layout, keeper: Keeper):
        self.record, self.settings, self.say = record, settings, say
        self.layout, self.keeper = layout, keeper
        self.routing = Routing(settings, layout, keeper)

    def scale(self, service: str, count: int) -> None:
        command = check(self.settings, self.counts() | {service: count})[service]
        members = self.record.of(service)
        if count == len(members):
            return self.say(f"{service} has {count} replicas already")
        if count > len(members):
            self.grow(self.new(service, count - len(members), command))
        else:
            self.shrink(members[count:])
        self.say(f"{service} has {count} replicas")

    def mend(self) -> bool:
        """Brings back what a killed command or a crash left undone; False when all was right."""
        programs = self.keeper.programs()
        ended = [name for name, each in programs.items() if each["statename"] in DOWN]
        strange = [name for name in programs if name not in self.everybody()]
        absent = [each for name, each in self.record.members.items() if name not in programs]
        self.keeper.start_again(ended)
        self.keeper.remove(strange, replicas.STOP_SECONDS) if strange else None
        self.start(absent) if absent else None
        with self.say.progress("looking at the replicas") as step:
            replicas.wait_ready(self.record.members.values(), self.keeper, self.layout, step)
        idle = [each for name, each in self.record.members.items() if name not in self.record.routed]
        astray = bool(idle) or self.record.phase == "changing"
        self.enter(idle) if astray else None
        return bool(ended or strange or absent or astray)

    def everybody(self) -> set[str]:
        return {"nginx", "postgres", *self.record.members}

    def counts(self) -> dict[str, int]:
        return {name: len(self.record.of(name)) for name in SERVICES}

    def new(self, service: str, count: int, command: str) -> list[Member]:
        found = []
        for port in allocate(self.layout.run, count, self.record.ports()):
            name = self.record.next_name(service)
            workers = launcher.workers(command)
            member = Member(name, service, port, server(self.settings, service), workers)
            self.record.members[name] = member
            found.append(member)
        return found

    def grow(self, members: list[Member]) -> None:
        """Start, ready, then into routing. One that does not get ready takes them all back."""
        try:
            self.start(members)
        except BaseException:
            self.forget(members)
            raise
        self.enter(members)

    def shrink(self, members: list[Member]) -> None:
        self.leave(members)
        self.forget(members)

    def restart(self, services: Iterable[str]) -> None:
        """Round by round: one replica of each service at a time, so the others carry on."""
        services = list(services)
        spare = [self.spare(each) for each in services if len(self.record.of(each)) == 1]
        self.grow(spare) if spare else None
        rounds = zip_longest(*(self.record.of(each) for each in services))
        for turn in rounds:
            self.renew([each for each in turn if each and each not in spare])
        self.shrink(spare) if spare else None

    def spare(self, service: str) -> Member:
        """Stands in while the only replica restarts."""
        return self.new(service, 1, check(self.settings, self.counts())[service])[0]

    def renew(self, members: list[Member]) -> None:
        if not members:
            return
        self.say(f"restarting {', '.join(each.name for each in members)}")
        self.leave(members)
        self.keeper.remove([each.name for each in members], replicas.STOP_SECONDS + 5)
        self.start(members)
        self.enter(members)

    def start(self, members: list[Member]) -> None:
        self.record.save(self.layout.run)
        self.keeper.add(replicas.program(each, self.record, self.settings, self.layout) for each in members)
        with self.say.progress("starting the replicas") as step:
            replicas.wait_ready(members, self.keeper, self.layout, step)

    def forget(self, members: list[Member]) -> None:
        self.keeper.remove([each.name for each in members], replicas.STOP_SECONDS + 5)
        for each in members:
            self.record.members.pop(each.name, None)
        self.record.save(self.layout.run)

    def enter(self, members: list[Member]) -> None:
        self.route([*self.record.routed, *(each.name for each in members)])

    def leave(self, members: list[Member]) -> None:
        gone = {each.name for each in members}
        self.route([name for name in self.record.routed if name not in gone])

    def route(self, names: list[str]) -> None:
        """Written down before and after: if this is killed in between, `up` does it again."""
        before, self.record.routed = self.record.routed, names
        self.phase("changing")
        try:
            self.routing.apply(self.record)
        except BaseException:
            self.record.routed = before
            raise
        finally:
            self.phase("up")

    def phase(self, phase: str) -> None:
        self.record.phase = phase
        self.record.save(self.layout.run)
