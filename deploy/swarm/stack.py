"""Puts a stack file to the Swarm, and waits until it is so."""

import json
import time
from collections.abc import Callable, Iterable, Mapping
from subprocess import STDOUT

from deploy import state
from deploy.compose import readiness
from deploy.compose.containers import STACK, listed
from deploy.compose.deploying import MIGRATE
from deploy.errors import Refused, impossible, with_log
from deploy.swarm import render
from deploy.swarm.cluster import BEGINNING, FAILED, Cluster, Service, Task
from deploy.variables import SERVICES
from deploy.words import READ, last_words

LASTING = ("nginx", *SERVICES, "postgres")
UNDER_WAY = ("updating", "rollback_started")
GONE_BACK = ("rollback_completed", "rollback_paused", "paused")
RELEASE_SECONDS = 900  # 64 replicas, one after the other
STOP_SECONDS = 90  # longer than the longest stop_grace_period


class Stack:
    def __init__(self, cluster: Cluster):
        self.cluster, self.say, self.name = cluster, cluster.say, cluster.settings.project
        self.path = cluster.settings.run / "swarm" / "stack.json"
        self.known: set[str] = set()  # tasks of before the last change

    def put(
        self,
        images: Mapping[str, str],
        secrets: Mapping[str, str],
        counts: Mapping[str, int],
        only: Iterable[str] = (),
        together: bool = False,
    ) -> None:
        """`only`: these services, and the others stay as they are."""
        made = render.stack(self.cluster.config(), images, secrets, counts, together)
        made = render.labelled(made, str(self.cluster.settings.root))
        if only:
            made["services"] = {name: made["services"][name] for name in only}
        self.known = {each.id for each in self.cluster.tasks()}
        state.replace(self.path, json.dumps(made, indent=1), 0o600)
        registry = self.cluster.settings.registry
        pulled = ("--with-registry-auth",) if registry else ("--resolve-image", "never")
        prune = () if only else ("--prune",)
        argv = ("docker", "stack", "deploy", *pulled, *prune, "--compose-file", str(self.path), self.name)
        self.cluster.run(*argv, text=f"telling the Swarm: {', '.join(only) or 'all services'}")

    def again(self, service: str) -> None:
        """The same once more: its tasks are replaced as by a release."""
        self.known = {each.id for each in self.cluster.tasks()}
        argv = ("docker", "service", "update", "--force", "--detach", f"{self.name}_{service}")
        self.cluster.run(*argv, text=f"telling the Swarm: {service} again")

    def wait(self, services: Iterable[str], images: Mapping[str, str], seconds: float) -> None:
        """Returns when they run as the file says; raises with the last log lines of one that does not, or was taken back."""
        wanted, deadline = list(services), time.monotonic() + seconds
        with self.say.progress("waiting for the Swarm") as step:
            while True:
                found = self.cluster.services()
                tasks = self.cluster.tasks(found)
                waiting = [name for name in wanted if not self.settled(found[name], images.get(name), tasks)]
                if not waiting:
                    return
                step(f"settled: {len(wanted) - len(waiting)} of {len(wanted)}, waiting for {', '.join(waiting)}")
                if time.monotonic() > deadline:
                    raise self.late(waiting[0], tasks, seconds)
                time.sleep(0.5)

    def settled(self, service: Service, image: str | None, tasks: Iterable[Task]) -> bool:
        if service.update in UNDER_WAY:
            return False
        mine = [each for each in tasks if each.service == service.name]
        failed = [each for each in mine if each.state in FAILED and each.id not in self.known]
        if service.update in GONE_BACK or (image and not service.image.startswith(image)):
            raise self.failed(service.name, failed or mine, "the Swarm took it back")
        if failed and not service.update:
            raise self.failed(service.name, failed)
        wanted = [each for each in mine if each.wanted]
        enough = bool(wanted) if service.replicas is None else len(wanted) == service.replicas
        return enough and all(each.running and each.spec == service.spec for each in wanted)

    def migrated(self) -> None:
        """The newest of its tasks has done its work."""
        deadline = time.monotonic() + RELEASE_SECONDS
        with self.say.progress("migrating the database"):
            while time.monotonic() < deadline:
                found = self.cluster.services()
                service = found[MIGRATE]
                mine = [each for each in self.cluster.tasks(found) if each.service == MIGRATE]
                newest = mine[0] if mine and mine[0].spec == service.spec else None
                if newest and newest.state == "complete":
                    return
                if newest and newest.state in FAILED:
                    raise self.failed(MIGRATE, [newest])
                time.sleep(0.3)
        raise impossible(f"migrate has not ended after {RELEASE_SECONDS} s; ./ponte logs SERVICE=migrate says why")

    def failed(self, service: str, tasks: Iterable[Task], why: str = "") -> Refused:
        """(!) A task that was refused has no log: its node had no image, or no room."""
        newest = next(iter(tasks), None)
        if newest is None or "no such image" in newest.error.lower():
            return impossible(f"{service}: a node has no image of it; name a registry that all nodes reach with REGISTRY=, or load it there (docker save, docker load)")  # fmt: skip
        told = f"{service} {newest.container[:12] or newest.id[:12]} " + said(newest)
        return with_log(f"{told}; {why}" if why else told, service, self.last_words(newest))

    def late(self, service: str, tasks: Iterable[Task], seconds: float) -> Refused:
        newest = next((each for each in tasks if each.service == service and each.wanted), None)
        if newest is None or newest.state in BEGINNING[:4]:
            return impossible(f"{service} found no node in {seconds:.0f} s{said_by(newest)}; docker node ls shows which are there")  # fmt: skip
        here = next((each for each in listed(self.cluster) if each.id == newest.container and each.running), None)
        why = readiness.why_not(self.cluster, here) if here else f"it is {newest.state}"
        told = f"{service} {newest.container[:12]} is not ready after {seconds:.0f} s, {why}"
        return with_log(told, service, self.last_words(newest))

    def last_words(self, task: Task) -> list[str]:
        argv = ("docker", "service", "logs", "--raw", "--tail", str(READ), task.id)
        return last_words(self.cluster.ask(*argv, check=False, errors=STDOUT).splitlines()) if task.container else []

    def remove(self) -> None:
        """The edge first: an application is asked for nothing while it stops."""
        if "nginx" in self.cluster.services():
            self.cluster.run("docker", "service", "rm", f"{self.name}_nginx", text="stopping nginx")
        self.ended(lambda: any(each.service == "nginx" for each in listed(self.cluster)))
        self.cluster.run("docker", "stack", "rm", self.name, text="stopping: replicas, PostgreSQL")
        networks = ("docker", "network", "ls", "--quiet", "--filter", f"label={STACK}={self.name}")
        self.ended(lambda: bool(listed(self.cluster) or self.cluster.ask(*networks)))

    def ended(self, there: Callable[[], bool]) -> None:
        """(!) `rm` returns at once; containers go when they have ended, and networks after them."""
        deadline = time.monotonic() + STOP_SECONDS
        while there():
            if time.monotonic() > deadline:
                raise impossible(f"the stack has not ended after {STOP_SECONDS} s; docker stack ps {self.name} shows what is left")  # fmt: skip
            time.sleep(0.3)


def said(task: Task) -> str:
    return f"ended with code {task.code}" if task.code else task.error or f"is {task.state}"


def said_by(task: Task | None) -> str:
    return f" ({task.error})" if task and task.error else ""
