"""What can be done to a stack while requests go on: one line of OPERATIONS each, through the front door or as the kernel would."""

import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

from loadtests.drills.bounds import Moments
from loadtests.errors import Stop
from loadtests.measure.processes import send
from loadtests.oracle import Load
from loadtests.stack import Laboratory, processes, within

RELEASED = Path("apps", "core", "replica.py")  # a part of every service
READY_SECONDS = 60.0


@dataclass
class Scene:
    """One service of a stack with a checkout of its own."""

    stack: Laboratory
    service: str
    readers: int = 0  # of the chat, beside the requests
    releases: int = 0
    moments: Moments = field(default_factory=Moments)  # of the last kill

    def replicas(self) -> list[dict[str, Any]]:
        return [each for each in self.stack.replicas() if each["service"] == self.service]

    def do(self, target: str, *words: str) -> None:
        self.stack.ponte(target, f"SERVICE={self.service}", *words)

    def scale(self, count: int) -> None:
        self.do("scale", f"REPLICAS={count}")

    def reload(self) -> None:
        self.stack.ponte("reload")

    def release(self, strategy: str) -> None:
        with (self.stack.root / RELEASED).open("a") as file:
            file.write(f"# another tree: {uuid4().hex}\n")
        self.do("deploy", f"STRATEGY={strategy}")
        self.releases += 1

    def returnable(self) -> None:
        if not self.releases:
            self.release("rolling")

    def whole(self, count: int, gone: set[int]) -> bool:
        """So many replicas are ready, and none of those processes is left."""
        rows = self.replicas()
        return len(rows) == count and all(each["ready"] for each in rows) and not any(map(alive, gone))


def alive(pid: int) -> bool:
    return Path("/proc", str(pid)).exists()


def wait(condition: Callable[[], bool], what: str) -> None:
    if not within(READY_SECONDS, condition):
        raise Stop(f"{what} after {READY_SECONDS:g} s", 1)


def scale(scene: Scene, load: Load) -> None:
    scene.scale(4)
    scene.scale(1)


def restart_worker(scene: Scene, load: Load) -> None:
    """HUP renews the workers of a server that has some; who is its own worker ends, and is started again by its keeper."""
    rows = scene.replicas()
    first, *workers = processes(rows[0]["replica"], rows[0]["id"])
    load.mark("signal")
    send(signal.SIGHUP if workers else signal.SIGTERM, [first])
    wait(lambda: scene.whole(len(rows), set(workers or [first])), f"{rows[0]['replica']} has no new worker")


def kill(scene: Scene, load: Load) -> None:
    """With all that it started, as the kernel does to a container."""
    rows = scene.replicas()
    pids = processes(rows[0]["replica"], rows[0]["id"])
    load.mark("SIGKILL")
    begin = load.plan.now()
    send(signal.SIGKILL, pids)
    scene.moments = Moments([(begin, load.plan.now())])
    wait(lambda: scene.whole(len(rows), set(pids)), f"{rows[0]['replica']} is not there again")


@dataclass(frozen=True)
class Operation:
    name: str
    what: str
    replicas: int  # of the service, when it begins
    seconds: float  # about, with its load; for the time left
    run: Callable[[Scene, Load], None]
    prepare: Callable[[Scene], None] = lambda scene: None
    bounded: bool = False  # some may be lost: so many as were on their way

    def begin(self, scene: Scene) -> None:
        scene.moments = Moments()
        scene.scale(self.replicas)
        self.prepare(scene)


OPERATIONS = {
    each.name: each
    for each in (
        Operation("scale 1 to 4 to 1", "`make scale REPLICAS=4`, then `REPLICAS=1`", 1, 30, scale),
        Operation(
            "rolling release", "`make deploy` of another tree", 2, 30, lambda scene, load: scene.release("rolling")
        ),
        Operation(
            "blue-green release", "the same with `STRATEGY=bluegreen`", 2, 25,
            lambda scene, load: scene.release("bluegreen"),
        ),
        Operation(
            "rollback", "`make rollback`", 2, 30, lambda scene, load: scene.do("rollback"), prepare=Scene.returnable
        ),
        Operation("reload", "`make reload` of the edge", 2, 10, lambda scene, load: scene.reload()),
        Operation("restart", "`make restart` of the service's replicas", 2, 25, lambda scene, load: scene.do("restart")),
        Operation(
            "restart of a worker",
            "SIGHUP to a replica whose server has workers; SIGTERM to one that is its own worker, and its keeper starts it again",
            2, 15, restart_worker,
        ),
        Operation("SIGKILL", "`kill -9` of one replica of three, which its keeper starts again", 3, 15, kill, bounded=True),
    )
}  # fmt: skip
