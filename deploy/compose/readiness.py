"""Waits until containers are ready, asked from within: their ports are not published."""

import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from subprocess import STDOUT

from deploy.compose.containers import Container, listed
from deploy.compose.docker import Docker
from deploy.errors import Refused, impossible
from deploy.native.logs import plain

READY_SECONDS = 60
LOG_LINES = 15
AT_ONCE = 8  # each probe is a process; more of them only wait for a CPU
GONE = ("exited", "dead", "restarting", "removing")


def ready(docker: Docker, each: Container) -> bool:
    return each.running and docker.succeeds("docker", "exec", each.id, *each.ready_check)


def wait_ready(docker: Docker, wanted: Iterable[Container]) -> None:
    """Returns when all are; raises with the last log lines of the first that is not."""
    waiting = {each.id: each for each in wanted}
    everybody, deadline = len(waiting), time.monotonic() + READY_SECONDS
    with docker.say.progress("waiting for the replicas") as step, ThreadPoolExecutor(AT_ONCE) as pool:
        while waiting:
            answers = dict(zip(waiting, pool.map(lambda each: ready(docker, each), waiting.values()), strict=True))
            waiting = {key: each for key, each in waiting.items() if not answers[key]}
            step(f"ready: {everybody - len(waiting)} of {everybody}")
            if not waiting:
                return
            refuse_crashed(docker, waiting)
            if time.monotonic() > deadline:
                each = next(iter(waiting.values()))
                raise failed(docker, each, f"did not become ready within {READY_SECONDS} s")
            time.sleep(0.3)


def refuse_crashed(docker: Docker, waiting: Iterable[str]) -> None:
    for each in listed(docker):
        if each.id in waiting and each.status in GONE:
            raise failed(docker, each, f"ended by itself with code {each.exit_code}")


def failed(docker: Docker, each: Container, why: str) -> Refused:
    lines = docker.ask("docker", "logs", "--tail", str(LOG_LINES), each.id, check=False, errors=STDOUT)
    shown = "".join(f"\n  {each.service} | {plain(line)}" for line in lines.splitlines())
    return impossible(f"{each.service} {each.hostname} {why}{shown}")
