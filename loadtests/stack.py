"""The stack under test, asked through its front door: what runs, where, and how to keep the generator off its CPUs."""

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from threading import Thread

from deploy.ports import free_port
from loadtests.errors import Stop
from loadtests.measure import cgroup
from loadtests.measure.meter import Source
from loadtests.measure.processes import Tree, tree

ROOT = Path(__file__).resolve().parent.parent
RUN = ROOT / ".run"
COPIED = ".checkout"
LEFT_OUT = (".*_cache", ".git", ".env", ".run", "__pycache__", "reports")  # of a copy
LOG_SECONDS = 1.5  # nginx writes its log once a second
LOOK_SECONDS = 0.2
ROLES = {"nginx": "edge", "postgres": "database"}


@dataclass
class Stack:
    environ: Mapping[str, str] = field(default_factory=dict)
    root: Path = ROOT  # its checkout

    def ponte(self, *words: str, quiet: bool = True) -> str:
        """One call of the front door; its failure is ours, with its sentence and its exit code."""
        argv = [str(self.root / "ponte"), *words]
        done = subprocess.run(argv, cwd=self.root, env={**os.environ, **self.environ}, capture_output=quiet, text=True)
        if done.returncode:
            raise Stop(sentence(done.stderr or "") or f"./ponte {words[0]} failed", done.returncode)
        return done.stdout or ""

    def replicas(self) -> list[dict]:
        return json.loads(self.ponte("ps", "FORMAT=json"))

    @cached_property
    def url(self) -> str:
        return "http://" + next(each["address"] for each in self.replicas() if each["service"] == "nginx")

    def sources(self, service: str = "") -> dict[str, list[Source]]:
        """Role -> where its CPU time can be read; `service` is the app under test, the others are `others`."""
        found: dict[str, list[Source]] = {}
        for each in self.replicas():
            role = ROLES.get(each["service"], "app" if each["service"] == service or not service else "others")
            source = source_of(each["id"])
            if source:
                found.setdefault(role, []).append(source)
        return found

    @contextmanager
    def pinned(self, cpus: set[int]) -> Iterator[None]:
        """Everything of the stack on these CPUs for a while, and back where it was."""
        with ExitStack() as before:
            for each in self.replicas():
                if each["id"]:
                    before.callback(hold(each["id"], cpus))
            yield

    @contextmanager
    def edge_log(self, path: Path, wait: float = LOG_SECONDS) -> Iterator[None]:
        """What the edge logs meanwhile, in a file. By a pipe, so that who follows ends with us, however we end."""
        argv = [str(self.root / "ponte"), "logs", "SERVICE=nginx", "FOLLOW=1"]
        with path.open("wb") as file, self.following(argv) as process:
            copy = Thread(target=shutil.copyfileobj, args=(process.stdout, file))
            copy.start()
            try:
                yield
                time.sleep(wait)
            finally:
                os.killpg(process.pid, signal.SIGTERM)  # the front door, and what it runs in turn
                copy.join()

    def following(self, argv: list[str]) -> "subprocess.Popen[bytes]":
        environ = {**os.environ, **self.environ}
        return subprocess.Popen(
            argv, cwd=self.root, env=environ, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True
        )


def sentence(told: str) -> str:
    """What a command failed with; the last words of a log may follow it."""
    found = [line.removeprefix("ponte: ") for line in told.splitlines() if line.startswith("ponte: ")]
    return found[-1] if found else told.strip().rpartition("\n")[2]


def source_of(number: str) -> Source | None:
    """A pid natively, a container's id in compose."""
    pid = first_process(number)
    if number.isdigit():
        return Tree((pid,))
    return cgroup.of(pid) if pid else None


def within(seconds: float, condition: Callable[[], object]) -> bool:
    """Whether it becomes true in that time.

    (!) A look at containers starts a process in each of them: pauses are twice as long as looks, which would be a load else.
    """
    end = time.monotonic() + seconds
    while True:
        began = time.monotonic()
        if condition():
            return True
        if time.monotonic() > end:
            return False
        time.sleep(max(LOOK_SECONDS, 2 * (time.monotonic() - began)))


def first_process(number: str) -> int:
    """The pid on this machine of what `make ps` has under this id; 0 where containers run in a machine of their own."""
    if number.isdigit():
        return int(number)
    asked = subprocess.run(["docker", "inspect", "--format", "{{.State.Pid}}", number], capture_output=True, text=True)
    pid = asked.stdout.strip()
    return int(pid) if pid.isdigit() and Path("/proc", pid).exists() else 0


def processes(replica: str, number: str) -> list[int]:
    """Of a replica and its id, the first process first, then all that it started."""
    first = first_process(number)
    if not first:
        raise Stop(f"the processes of {replica} cannot be seen from here (a Docker engine elsewhere?)")
    return sorted(tree([first]), key=lambda pid: (pid != first, pid))


def hold(number: str, cpus: set[int]):
    """Pins one replica; returns what undoes it."""
    if not number.isdigit():
        return hold_container(number, cpus)
    before = {}
    for pid in tree([int(number)]):
        for task in Path("/proc", str(pid), "task").glob("*"):
            with suppress(OSError):
                before[int(task.name)] = os.sched_getaffinity(int(task.name))
                os.sched_setaffinity(int(task.name), cpus)
    return lambda: give_back(int(number), before)


def give_back(root: int, before: Mapping[int, set[int]]) -> None:
    """Threads that were started meanwhile inherited the pin, so all of the tree is set free."""
    usual = max(before.values(), key=len, default=os.sched_getaffinity(0))
    for pid in tree([root]):
        for task in Path("/proc", str(pid), "task").glob("*"):
            with suppress(OSError):
                os.sched_setaffinity(int(task.name), before.get(int(task.name), usual))


def hold_container(number: str, cpus: set[int]):
    asked = subprocess.run(
        ["docker", "inspect", "--format", "{{.HostConfig.CpusetCpus}}", number], capture_output=True, text=True
    )
    before = asked.stdout.strip() or ",".join(map(str, range(os.cpu_count() or 1)))
    update(number, ",".join(map(str, sorted(cpus))))
    return lambda: update(number, before)


def update(container: str, cpus: str) -> None:
    subprocess.run(["docker", "update", "--cpuset-cpus", cpus, container], capture_output=True, check=False)


class Laboratory(Stack):
    """A stack of its own for a question the running one must not be changed for."""

    @property
    def tls_url(self) -> str:
        return f"https://127.0.0.1:{self.environ['HTTPS_PORT']}"

    def restart(self, **words: str) -> None:
        """The same data, other words; what runs is stopped first."""
        with suppress(Stop):
            self.ponte("down")
        self.ponte("up", *(f"{name}={value}" for name, value in words.items()))

    def remove(self) -> None:
        """All of it, whoever is impatient meanwhile."""
        with undisturbed():
            for target in ("down", "clean"):
                with suppress(Stop, OSError):
                    self.ponte(target)
            if self.root != ROOT:
                shutil.rmtree(self.root, ignore_errors=True)


@contextmanager
def laboratory(engine: str, words: Mapping[str, str], own_checkout: bool = False) -> Iterator[Laboratory]:
    """Nothing runs yet: `restart` starts it. Gone afterwards, with its data.

    With a checkout of its own it can be released: a copy of this one, which may be edited.
    """
    remove_left()
    root = checkout(os.getpid()) if own_checkout else ROOT
    lab = Laboratory({**own(os.getpid()), **words, "ENGINE": engine}, root)
    try:
        if own_checkout:
            check_out(root)
        yield lab
    finally:
        lab.remove()


def own(number: int) -> dict[str, str]:
    return {
        "PONTE_RUN": str(RUN / f"lab-{number}"),
        "COMPOSE_PROJECT_NAME": f"ponte-lab-{number}",
        "HTTP_PORT": str(free_port()),
        "HTTPS_PORT": str(free_port()),
    }


def checkout(number: int) -> Path:
    return RUN / f"lab-{number}{COPIED}"


def check_out(root: Path) -> None:
    """A copy of the checkout that has this one's packages."""
    shutil.copytree(ROOT, root, ignore=shutil.ignore_patterns(*LEFT_OUT))
    (root / RUN.name).mkdir()
    (root / RUN.name / "venv").symlink_to(RUN / "venv")


def remove_left() -> None:
    """Laboratories with a checkout of their own whose command was killed."""
    for root in RUN.glob(f"lab-[0-9]*{COPIED}"):
        number = root.name.removeprefix("lab-").removesuffix(COPIED)
        if not Path("/proc", number).exists():
            Laboratory(own(int(number)), root).remove()


@contextmanager
def undisturbed() -> Iterator[None]:
    """Ctrl-C does not end it half-way, nor what it starts."""
    before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
