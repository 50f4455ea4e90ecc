"""Changes a running stack without a lost request: nobody stops who is still in nginx's routing."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import zip_longest

from deploy import launcher
from deploy.console import Console
from deploy.native import releases, replicas
from deploy.native.keeping import Keeping
from deploy.native.layout import Layout
from deploy.native.record import Member, Record
from deploy.native.routing import Routing
from deploy.native.start import check
from deploy.release import Release
from deploy.settings import Settings
from deploy.variables import SERVICES

ALONE = ("nginx", "rotation", "postgres")  # one of each
DOWN = ("FATAL", "EXITED", "STOPPED")


class Change:
    def __init__(self, record: Record, settings: Settings, say: Console, layout: Layout, keeper: Keeping):
        self.record, self.settings, self.say = record, settings, say
        self.layout, self.keeper = layout, keeper
        self.routing = Routing(settings, layout, keeper)

    def scale(self, service: str, count: int) -> None:
        self.settle()
        before = self.record.counts[service]
        self.check(self.record.releases[service].now, self.record.counts | {service: count})
        if count == before:
            return self.say(f"{service} has {count} replicas already")
        self.record.counts[service] = count
        try:
            self.grow(self.lacking(service))
        except BaseException:
            self.record.counts[service] = before
            self.record.save(self.layout.run)
            raise
        self.shrink(self.going([service]))
        self.say(f"{service} has {count} replicas")

    def settle(self) -> bool:
        """What a killed command left is put right before anything else begins; True when there was something."""
        return self.unsettled() and self.mend()

    def unsettled(self) -> bool:
        staying = {each.name for each in self.staying(SERVICES)}
        whole = staying == self.record.members.keys() == set(self.record.routed)
        enough = len(staying) == sum(self.record.counts.values())
        return bool(self.record.toward) or self.record.phase == "changing" or not (whole and enough)

    def mend(self) -> bool:
        """Brings back what a killed command or a crash left undone; False when all was right."""
        unsettled = self.unsettled()
        strange = [name for name in self.keeper.programs() if name not in self.everybody()]
        self.keeper.remove(strange, replicas.STOP_SECONDS) if strange else None
        started = self.revive(ALONE) + self.converge(SERVICES)
        return bool(strange or started or unsettled)

    def converge(self, services: Iterable[str]) -> list[str]:
        """Everybody of each service's release is there, ready and routed; then nobody else is. Gives who was not."""
        services = list(services)
        started = self.revive([each.name for each in self.staying(services)])
        programs = self.keeper.programs()
        absent = [each for each in self.staying(services) if each.name not in programs]
        absent += [each for name in services for each in self.lacking(name)]
        self.start(absent) if absent else None
        staying = self.staying(services)
        with self.say.progress("looking at the replicas") as step:
            replicas.wait_ready(staying, self.keeper, self.layout, step)
        idle = [each for each in staying if each.name not in self.record.routed]
        self.enter(idle) if idle or self.record.phase == "changing" else None
        self.shrink(self.going(services))
        self.record.toward = {}
        self.record.save(self.layout.run)
        releases.forget_others(self.record, self.layout)
        return [*started, *(each.name for each in absent)]

    def revive(self, names: Sequence[str]) -> list[str]:
        """Who has ended is started again; who was told to stop by a command that was killed, when it has."""
        programs = self.keeper.programs()
        told = [name for name in names if programs.get(name, {}).get("statename") == "STOPPING"]
        self.keeper.stop(told, replicas.STOP_SECONDS + 5) if told else None
        ended = [name for name, each in self.keeper.programs().items() if name in names and each["statename"] in DOWN]
        self.keeper.start_again(ended)
        return ended

    def everybody(self) -> set[str]:
        return {*ALONE, *self.record.members}

    def staying(self, services: Iterable[str]) -> list[Member]:
        return [each for name in services for each in self.record.staying(name)]

    def going(self, services: Iterable[str]) -> list[Member]:
        """Of another release, or more than there shall be."""
        staying = {each.name for each in self.staying(SERVICES)}
        return [each for name in services for each in self.record.of(name) if each.name not in staying]

    def lacking(self, service: str) -> list[Member]:
        """New members for those that should be there and are not."""
        count = self.record.counts[service] - len(self.record.staying(service))
        return self.new(service, count, self.record.releases[service].now)

    def check(self, release: Release, counts: Mapping[str, int]) -> dict[str, str]:
        return check(self.within(release), counts)

    def within(self, release: Release) -> Settings:
        return releases.within(release.tree, self.settings, self.layout)

    def new(self, service: str, count: int, release: Release) -> list[Member]:
        if count < 1:
            return []
        workers = launcher.workers(self.check(release, self.record.counts)[service])
        name_of_server = launcher.server(self.within(release), service)
        found = []
        for name, port in self.keeper.places(self.record, service, count, release):
            member = Member(name, service, port, name_of_server, workers, release)
            self.record.members[name] = member
            found.append(member)
        return found

    def grow(self, members: list[Member]) -> None:
        """Start, ready, then into routing. One that does not get ready takes them all back."""
        if not members:
            return
        try:
            self.start(members)
        except BaseException:
            self.forget(members)
            raise
        self.enter(members)

    def shrink(self, members: list[Member]) -> None:
        if not members:
            return
        known = self.record.phase == "changing" or any(each.name in self.record.routed for each in members)
        self.leave(members) if known else None
        self.forget(members)

    def restart(self, services: Iterable[str]) -> None:
        """Round by round: one replica of each service at a time, so the others carry on."""
        self.settle()
        services = list(services)
        spare = [self.spare(each) for each in services if len(self.record.of(each)) == 1]
        self.grow(spare) if spare else None
        rounds = zip_longest(*(self.record.of(each) for each in services))
        for turn in rounds:
            self.renew([each for each in turn if each and each not in spare])
        self.shrink(spare) if spare else None

    def spare(self, service: str) -> Member:
        """Stands in while the only replica restarts."""
        return self.new(service, 1, self.record.releases[service].now)[0]

    def renew(self, members: list[Member]) -> None:
        if not members:
            return
        self.say(f"restarting {', '.join(each.name for each in members)}")
        self.leave(members)
        self.keeper.remove([each.name for each in members], replicas.STOP_SECONDS + 5)
        self.start(members)
        self.enter(members)

    def start(self, members: list[Member]) -> None:
        for tree in {each.runs.tree for each in members}:
            releases.equip(tree, self.settings, self.layout, self.say)
        self.record.save(self.layout.run)
        self.keeper.add(replicas.program(each, self.settings, self.layout) for each in members)
        with self.say.progress("starting the replicas") as step:
            replicas.wait_ready(members, self.keeper, self.layout, step)

    def forget(self, members: list[Member]) -> None:
        self.keeper.remove([each.name for each in members], replicas.STOP_SECONDS + 5)
        for each in members:
            self.record.members.pop(each.name, None)
        self.record.save(self.layout.run)

    def enter(self, members: list[Member]) -> None:
        self.route([*self.record.routed, *(each.name for each in members)], drained=False)

    def leave(self, members: list[Member]) -> None:
        gone = {each.name for each in members}
        self.route([name for name in self.record.routed if name not in gone])

    def route(self, names: list[str], drained: bool = True) -> None:
        """Written down before and after: if this is killed or fails in between, `up` does it again."""
        drained = drained or self.record.phase == "changing"  # that one may have taken somebody out
        before, self.record.routed = self.record.routed, names
        self.phase("changing")
        try:
            self.routing.apply(self.record, drained=drained)
        except BaseException:
            self.record.routed = before
            self.record.save(self.layout.run)
            raise
        self.phase("up")

    def phase(self, phase: str) -> None:
        self.record.phase = phase
        self.record.save(self.layout.run)
