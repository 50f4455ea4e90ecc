"""Replicas of the apps: what each is started with, and when it is ready."""

import http.client
import json
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from deploy import smoke
from deploy.console import Step
from deploy.errors import Refused, with_log
from deploy.native import releases
from deploy.native.keeping import Info, Keeping
from deploy.native.layout import Layout
from deploy.native.programs import Program
from deploy.native.record import Member
from deploy.settings import Settings
from deploy.words import READ, last_words

READY_SECONDS = 60
STOP_SECONDS = 45  # above GRACEFUL_TIMEOUT, the rung below it on the ladder
Programs = dict[str, Info]
CRASHED = ("BACKOFF", "EXITED", "FATAL")
# Never on a command line or in a program file: both can be read by others. Files are given instead.
BY_FILE = ("DATABASE_URL", "DATABASE_URL_FILE", "SECRET_KEY", "SECRET_KEY_FILE", "RELEASE")


def program(member: Member, settings: Settings, layout: Layout) -> Program:
    argv = [str(releases.python(member.runs.tree, layout)), "-m", "serve", member.service]
    return Program(
        name=member.name,
        argv=[*argv, "--host", "127.0.0.1", "--port", str(member.port)],
        directory=releases.apps(member.runs.tree, settings, layout),
        log=layout.logs / f"{member.name}.log",
        stop_signal="TERM",
        sweep="KILL",  # as in a container, where nobody outlives the first process
        stop_seconds=max(STOP_SECONDS, settings.graceful_timeout + 10),
        environment=environment(member, settings, layout),
    )


def environment(member: Member, settings: Settings, layout: Layout) -> dict[str, str]:
    own = {k: v for k, v in settings.app_environment.items() if k not in BY_FILE}
    secret_key = settings.secret_key_file or layout.secrets / "secret_key"
    return own | {
        "PYTHONPATH": str(releases.apps(member.runs.tree, settings, layout)),
        "REPLICA": member.name,
        "RELEASE": member.runs.release,
        "DATABASE_URL_FILE": str(layout.secrets / "database_url"),
        "SECRET_KEY_FILE": str(secret_key),
        "STATIC_ROOT": str(layout.static / "django"),
        "PROMETHEUS_MULTIPROC_DIR": str(layout.run / "metrics" / member.name),
    }


def wait_ready(members: Iterable[Member], keeper: Keeping, layout: Layout, step: Step) -> None:
    """Returns when all are; raises with the last log lines of the first that fails."""
    waiting = {each.name: each for each in members}
    everybody, deadline = len(waiting), time.monotonic() + READY_SECONDS
    before = keeper.programs()
    with ThreadPoolExecutor(16) as pool:
        while waiting:
            refuse_crashed(waiting, before, keeper.programs(), layout)
            answers = dict(zip(waiting, pool.map(why_not, waiting.values()), strict=True))
            waiting = {name: each for name, each in waiting.items() if answers[name]}
            step(f"ready: {everybody - len(waiting)} of {everybody} replicas")
            if waiting and time.monotonic() > deadline:
                name = next(iter(waiting))
                raise failed(name, f"is not ready after {READY_SECONDS} s, {answers[name]}", layout)
            time.sleep(0.2 if waiting else 0)


def refuse_crashed(names: Iterable[str], before: Programs, now: Programs, layout: Layout) -> None:
    """The keeper starts a crashed one again at once: another pid tells."""
    for name in names:
        state, pid = now.get(name, {}).get("statename"), now.get(name, {}).get("pid")
        if state in CRASHED or pid != before.get(name, {}).get("pid"):
            raise failed(name, "ended by itself", layout)


def watch(members: Iterable[Member], seconds: float, keeper: Keeping, layout: Layout) -> None:
    """Returns when none of them has failed for so long."""
    names, deadline = {each.name: each for each in members}, time.monotonic() + seconds
    before = keeper.programs()
    with ThreadPoolExecutor(16) as pool:
        while time.monotonic() < deadline:
            refuse_crashed(names, before, keeper.programs(), layout)
            for name, why in zip(names, pool.map(why_not, names.values()), strict=True):
                if why:
                    raise failed(name, f"was ready and is not any more, {why}", layout)
            time.sleep(0.2)


def try_out(member: Member, layout: Layout) -> None:
    answers = {path: get(member.port, path, smoke.PAGE_SECONDS) for path in smoke.PATHS}
    if why := smoke.wrong(answers, member.service, member.runs.release):
        raise failed(member.name, why, layout)


def failed(name: str, why: str, layout: Layout) -> Refused:
    return with_log(f"{name} {why}", name, last_words(layout.said(name, READ)))


def why_not(member: Member) -> str:
    """Empty when the replica is ready."""
    status, body = get(member.port, "/readyz")
    return "" if status == 200 else detail(status, body)


def get(port: int, path: str, seconds: float = smoke.ANSWER_SECONDS) -> tuple[int, bytes]:
    """(0, reason) when nobody answers."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=seconds)
    try:
        connection.request("GET", path, headers={"Connection": "close"})
        answer = connection.getresponse()
        return answer.status, answer.read()
    except (OSError, http.client.HTTPException) as error:
        return 0, str(error).encode()
    finally:
        connection.close()


def detail(status: int, body: bytes) -> str:
    try:
        return f"/readyz says {status}, {json.loads(body)['detail']}"
    except (ValueError, KeyError, TypeError):
        return f"/readyz says {status}" if status else body.decode(errors="replace")
