"""Waits until containers are ready, asked from within: their ports are not published."""

import json
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from subprocess import STDOUT

from deploy import smoke
from deploy.compose.containers import Container, listed
from deploy.compose.docker import Docker
from deploy.errors import Refused, with_log
from deploy.words import READ, last_words

READY_SECONDS = 60
AT_ONCE = 8  # each probe is a process; more of them only wait for a CPU
GONE = ("exited", "dead", "restarting", "removing")
# Run within a container, in whose image there is no other client: what it prints are smoke.Answers.
ASK = """
import http.client, json, sys
def get(path):
    connection = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=float(sys.argv[2]))
    try:
        connection.request("GET", path, headers={"Connection": "close"})
        answer = connection.getresponse()
        return answer.status, answer.read(65536).decode("latin-1")
    except (OSError, http.client.HTTPException) as error:
        return 0, str(error)
print(json.dumps({path: get(path) for path in sys.argv[3:]}))
"""


def ready(docker: Docker, each: Container) -> bool:
    return each.running and docker.succeeds("docker", "exec", each.id, *each.ready_check)


def who_is_ready(docker: Docker, containers: Iterable[Container]) -> list[Container]:
    containers = list(containers)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return [
            each
            for each, is_ready in zip(containers, pool.map(lambda one: ready(docker, one), containers), strict=True)
            if is_ready
        ]


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
                raise failed(docker, each, f"is not ready after {READY_SECONDS} s, {why_not(docker, each)}")
            time.sleep(0.3)


def refuse_crashed(docker: Docker, known: Mapping[str, Container]) -> None:
    """Docker starts a crashed one again at once: it counts how often."""
    for each in listed(docker):
        if each.id in known and (each.status in GONE or each.restarts > known[each.id].restarts):
            raise failed(docker, each, "ended by itself" + (f" with code {each.exit_code}" if each.exit_code else ""))


def watch(docker: Docker, containers: Iterable[Container], seconds: float) -> None:
    """Returns when none of them has failed for so long."""
    known, deadline = {each.id: each for each in containers}, time.monotonic() + seconds
    with ThreadPoolExecutor(AT_ONCE) as pool:
        while time.monotonic() < deadline:
            refuse_crashed(docker, known)
            for each, why in zip(
                known.values(), pool.map(lambda each: why_not(docker, each), known.values()), strict=True
            ):
                if why:
                    refuse_crashed(docker, known)
                    raise failed(docker, each, f"was ready and is not any more, {why}")
            time.sleep(0.2)


def try_out(docker: Docker, each: Container, release: str) -> None:
    answers = asked(docker, each, smoke.PAGE_SECONDS, *smoke.PATHS)
    if why := smoke.wrong(answers, each.service, release):
        raise failed(docker, each, why)


def why_not(docker: Docker, each: Container) -> str:
    """Empty when an app is ready."""
    if not each.app:
        return "its health check fails"
    status, body = asked(docker, each, smoke.ANSWER_SECONDS, smoke.READY)[smoke.READY]
    if status == 200:
        return ""
    detail = smoke.said(body).get("detail") or body.decode(errors="replace")
    return f"/readyz says {status}, {detail}" if status else detail


def asked(docker: Docker, each: Container, seconds: float, *paths: str) -> smoke.Answers:
    argv = ("docker", "exec", each.id, "python", "-I", "-S", "-c", ASK, str(each.port), str(seconds), *paths)
    answer = docker.ask(*argv, check=False)
    if not answer:
        return dict.fromkeys(paths, (0, b"nobody answers"))
    return {path: (status, body.encode("latin-1", "replace")) for path, (status, body) in json.loads(answer).items()}


def failed(docker: Docker, each: Container, why: str) -> Refused:
    lines = docker.ask("docker", "logs", "--tail", str(READ), each.id, check=False, errors=STDOUT)
    return with_log(f"{each.service} {each.hostname} {why}", each.service, last_words(lines.splitlines()))
