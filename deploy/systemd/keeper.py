"""systemd as the keeper: a replica is an instance, ponte-flask@11001, enabled while it shall run.

What differs between two replicas of a service lies in PREFIX/replicas/: NAME.env, its environment, and NAME, a link to
its release. Everything else stands in the unit. So a reboot starts what ran, without us.
"""

import os
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import ClassVar

from deploy.errors import impossible
from deploy.native.keeping import Info, Keeping
from deploy.native.programs import Program
from deploy.native.record import Record
from deploy.ports import LOOPBACK, free
from deploy.release import Release
from deploy.run import quiet, run
from deploy.state import replace
from deploy.systemd import ports, units
from deploy.systemd.layout import Installed

# What units/ponte-SERVICE@.service says itself: where things are, and secrets, which no file here may hold.
IN_THE_UNIT = ("PYTHONPATH", "DATABASE_URL_FILE", "SECRET_KEY_FILE", "STATIC_ROOT", "PROMETHEUS_MULTIPROC_DIR")
ASKED = ("Id", "ActiveState", "MainPID", "ExecMainStartTimestampMonotonic")
STATES = {  # systemd's word -> supervisor's, which the controller speaks
    "active": "RUNNING",
    "reloading": "RUNNING",
    "activating": "BACKOFF",  # Type=exec: it is being started again, for a first start is waited for
    "deactivating": "STOPPING",
    "failed": "FATAL",
    "inactive": "EXITED",
}


class Units(Keeping):
    engine: ClassVar = "systemd"
    layout: Installed

    def start(self) -> None:
        self.must("daemon-reload")
        self.must("enable", "--now", units.TARGET)

    def alive(self) -> bool:
        return quiet(["systemctl", "is-active", "--quiet", units.TARGET]).returncode == 0

    def programs(self) -> dict[str, Info]:
        names = [*units.ONE, *sorted(path.stem for path in self.layout.programs.glob("*.env"))]
        asked = quiet(
            ["systemctl", "show", f"--property={','.join(ASKED)}", *map(units.unit, names)], capture_output=True
        )
        found = {each["Id"]: each for each in map(properties, asked.stdout.split("\n\n")) if "Id" in each}
        return {name: info(name, found[units.unit(name)]) for name in names if units.unit(name) in found}

    def add(self, programs: Iterable[Program]) -> None:
        """(!) Started although some may fail: the controller says which, with its last words."""
        programs = list(programs)
        for program in programs:
            if program.name not in units.ONE:
                self.put(program)
        names = [units.unit(program.name) for program in programs]
        self.must("enable", "--quiet", *names)
        self.start_again(program.name for program in programs)

    def put(self, program: Program) -> None:
        """(!) The link before the environment: who lists the replicas goes by the latter."""
        link, release = self.layout.programs / program.name, program.directory.parent
        draft = link.with_name(f".{link.name}")
        draft.unlink(missing_ok=True)
        draft.symlink_to(os.path.relpath(release, link.parent))
        draft.replace(link)
        replace(link.with_name(f"{link.name}.env"), environment(program.environment))

    def start_again(self, names: Iterable[str]) -> None:
        wanted = [units.unit(name) for name in names]
        if wanted:
            quiet(["systemctl", "reset-failed", *wanted], capture_output=True)
            run(["systemctl", "start", *wanted], capture_output=True)

    def stop(self, names: Iterable[str], patience: float) -> None:
        """TimeoutStopSec of the units is the patience."""
        known = self.programs()
        wanted = [units.unit(name) for name in names if name in known]
        run(["systemctl", "stop", *wanted], capture_output=True) if wanted else None

    def remove(self, names: Iterable[str], patience: float) -> None:
        names = list(names)
        self.stop(names, patience)
        if names:
            run(["systemctl", "disable", "--quiet", *map(units.unit, names)], capture_output=True)
            quiet(["systemctl", "reset-failed", *map(units.unit, names)], capture_output=True)
        for name in names:
            (self.layout.programs / f"{name}.env").unlink(missing_ok=True)
            (self.layout.programs / name).unlink(missing_ok=True)

    def shutdown(self, patience: float) -> None:
        self.remove([name for name in self.programs() if name not in units.ONE], patience)
        self.must("disable", "--quiet", "--now", *units.ONE.values(), units.TARGET)

    def once(self, program: Program) -> bool:
        release = program.directory.parent.parent.name
        unit = f"ponte-{program.name}@{release}.service"
        done = run(["systemctl", "start", unit], capture_output=True)
        quiet(["systemctl", "reset-failed", unit], capture_output=True) if done.returncode else None
        return done.returncode == 0

    def places(
        self, record: Record, service: str, count: int, release: Release, taken: Collection[int] = ()
    ) -> Iterator[tuple[str, int]]:
        siblings = {each.port for each in record.of(service) if each.runs == release}
        others = {each.port for each in record.of(service)} - siblings
        for _ in range(count):
            used = {*record.ports(), *taken}
            candidates = ports.order(service, siblings, others)
            port = next((each for each in candidates if each not in used and free(LOOPBACK, each)), None)
            if port is None:
                raise impossible(f"all ports of {service} are taken, {ports.FIRST[service] + 1} and those after it")
            siblings.add(port)
            yield f"{service}-{port}", port

    def must(self, *words: str) -> None:
        done = run(["systemctl", *words], capture_output=True)
        if done.returncode:
            raise impossible(f"systemctl {words[0]} failed: {done.stderr.strip() or done.returncode}")


def environment(values: Mapping[str, str]) -> str:
    """An EnvironmentFile; in quotes a # and spaces are part of the value."""
    quoted = {name: value.replace("\\", r"\\").replace('"', r"\"") for name, value in values.items()}
    return "".join(f'{name}="{value}"\n' for name, value in quoted.items() if name not in IN_THE_UNIT)


def properties(block: str) -> dict[str, str]:
    return dict(line.partition("=")[::2] for line in block.strip().splitlines())


def info(name: str, found: Mapping[str, str]) -> Info:
    began = int(found.get("ExecMainStartTimestampMonotonic") or 0) / 1e6
    return {
        "name": name,
        "statename": STATES[found["ActiveState"]],
        "pid": int(found["MainPID"]),
        "start": time.time() - (time.monotonic() - began),
    }
