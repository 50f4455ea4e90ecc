"""What can be done to a running stack; each test leaves it as it found it, the last one leaves nothing."""

import os
import signal
import socket
import subprocess
import time
from collections import Counter
from pathlib import Path

import httpx
import pytest

from deploy.ports import free_port
from deploy.variables import prefix
from loadtests.drills.bounds import Bounds, Moments, in_flight
from tests import processes
from tests.apps import App, quickly
from tests.contract import NAMES, SERVICES
from tests.engine import UP_SECONDS, Stack
from tests.oracle import watched
from tests.processes import alive, family, listens, parent
from tests.waiting import until

pytestmark = [pytest.mark.own_stack, pytest.mark.timeout(180)]
# One in the quick tier; test_restart.py has the other server there.


def ids(stack: Stack) -> dict[str, str]:
    return {row["replica"]: row["id"] for row in stack.ps()}


def ready(stack: Stack, service: str, count: int) -> bool:
    rows = stack.replicas(service)
    return len(rows) == count and all(row["ready"] for row in rows)


def answering(app: App) -> set[str]:
    return {app.get("/json").headers["x-served-by"].split("/")[1] for _ in range(60)}


def test_up_twice_changes_nothing(stack: Stack):
    before = ids(stack)
    answer = stack.ponte("up")

    assert answer.returncode == 0, answer.stderr
    assert ids(stack) == before


def test_a_shell_in_a_replica_has_what_manage_py_needs(stack: Stack):
    with stack.begin("shell", "SERVICE=django", stdin=subprocess.PIPE) as shell:
        shown, errors = shell.communicate("cd django && python manage.py showmigrations ponte\n", 60)

    assert "[X] 0001" in shown, shown + errors


@pytest.mark.parametrize("name", quickly(("fastapi",), SERVICES))
def test_a_service_is_scaled_under_load_without_a_lost_request(
    apps: dict[str, App], stack: Stack, name: str, tmp_path: Path
):
    app = apps[name]
    with watched(stack, tmp_path, name) as seen:
        for count in (4, 1, 2):
            answer = stack.ponte("scale", f"SERVICE={name}", f"REPLICAS={count}")

            assert answer.returncode == 0, answer.stderr
            assert ready(stack, name, count)
            until(lambda: answering(app) == {row["replica"] for row in stack.replicas(name)})

    assert not seen.wrong
    assert seen.verdict.requests > 100


def test_scaling_leaves_other_services_alone_and_up_keeps_the_count(stack: Stack):
    before = others(stack, "django")
    assert stack.ponte("scale", "SERVICE=django", "REPLICAS=3").returncode == 0
    assert stack.ponte("up").returncode == 0

    assert ready(stack, "django", 3)
    assert stack.ponte("scale", "SERVICE=django", "REPLICAS=2").returncode == 0
    assert others(stack, "django") == before


def others(stack: Stack, service: str) -> dict[str, str]:
    return {row["replica"]: row["id"] for row in stack.ps() if row["service"] != service}


def test_the_edge_is_reloaded_without_a_lost_request(stack: Stack, tmp_path: Path):
    with watched(stack, tmp_path, *SERVICES) as seen:
        for _ in range(2):
            answer = stack.ponte("reload")
            assert answer.returncode == 0, answer.stderr

    assert not seen.wrong
    assert seen.verdict.requests > 100


@pytest.mark.parametrize("name", quickly(NAMES[:1], (*NAMES[:1], *NAMES[1:][-1:])))
def test_a_replica_that_is_killed_comes_back(apps: dict[str, App], stack: Stack, name: str, tmp_path: Path):
    victim = stack.replicas(name)[0]
    with watched(stack, tmp_path, name) as seen:
        begin = seen.load.plan.now()
        processes.send(victim, stack.engine, signal.SIGKILL)
        killed = Moments([(begin, seen.load.plan.now())])
        until(lambda: replaced(stack, victim), seconds=20)
        until(lambda: ready(stack, name, 2), seconds=40, every=0.2)
        until(lambda: len(answering(apps[name])) == 2)

    # nginx asks another replica. (!) It gives up when the set of replicas changes between two tries.
    only_in_flight = Bounds({"GET": in_flight, "POST": in_flight}, gap={})
    assert not only_in_flight.broken(seen.verdict, seen.requests(), killed), seen.verdict.losses
    assert seen.verdict.lost["GET"] <= 2, seen.verdict.losses


def replaced(stack: Stack, victim: dict) -> bool:
    """Another process has its place; a container keeps its id when it is started again."""
    same = [row for row in stack.replicas(victim["service"]) if row["id"] == victim["id"]]
    return not same or (same[0]["uptime"] or victim["uptime"]) < victim["uptime"]


def test_a_job_of_a_killed_replica_is_lost_and_everybody_is_told(apps: dict[str, App], stack: Stack):
    jobs = [apps["fastapi"].post("/jobs", json={"ms": 10_000}).json()["id"] for _ in range(6)]
    victim = apps["fastapi"].get(f"/jobs/{jobs[0]}").json()["replica"]
    row = next(row for row in stack.replicas("fastapi") if row["replica"] == victim)
    processes.send(row, stack.engine, signal.SIGKILL)

    until(lambda: apps["flask"].get(f"/jobs/{jobs[0]}").json()["status"] == "lost", seconds=20, every=0.2)
    until(lambda: ready(stack, "fastapi", 2), seconds=20, every=0.2)


NONE_CHOSEN = {f"{prefix(name)}_SERVER": "" for name in SERVICES}  # a service's own would win over SERVER=
WRONG = (
    ("restart", "SERVICE=flsk"), ("scale", "SERVICE=flask", "REPLICAS=0"), ("scale", "SERVICE=flask", "REPLICAS=65"),
    ("scale", "SERVICE=flask", "REPLICAS=two"), ("up", "ENGINE=podman"), ("up", "HTTP_PORT=65536"), ("upp",),
    ("up", "SERVER=gunicron"), ("up", "FLASK_SERVER=uvicorn"), ("up", "FLASK_REPLICAS=65"), ("up", "NO_SUCH=1"),
    ("up", "WEB_CONCURRENCY=many"),
)  # fmt: skip


@pytest.mark.parametrize("words", WRONG, ids=" ".join)
def test_a_wrong_word_is_one_sentence_and_exit_code_2(stack: Stack, words: tuple[str, ...]):
    answer = stack.ponte(*words, **NONE_CHOSEN)

    assert answer.returncode == 2, answer.stdout + answer.stderr
    assert_one_sentence(answer.stderr)


def assert_one_sentence(text: str) -> None:
    *before, last = text.strip().splitlines()
    assert last.startswith("ponte: "), text
    assert not [line for line in before if line.startswith("ponte: ")], text  # notes may come first: engine, versions
    assert "Traceback" not in text


def test_wrong_words_have_changed_nothing(stack: Stack):
    counts = Counter(row["service"] for row in stack.ps())

    assert {name: counts[name] for name in SERVICES} == dict.fromkeys(SERVICES, 2)


def test_a_taken_port_is_one_sentence_and_exit_code_3_and_nothing_is_started(stack: Stack):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        other = another(stack, HTTP_PORT=str(taken.getsockname()[1]))
        answer = other.ponte("up", seconds=UP_SECONDS)

        assert answer.returncode == 3, answer.stdout + answer.stderr
        assert_one_sentence(answer.stderr)
        assert str(taken.getsockname()[1]) in answer.stderr
    assert other.ponte("ps").returncode == 3


@pytest.mark.parametrize("word", ("ps", "down", "logs", "restart", "reload"))
def test_nothing_up_is_exit_code_3(stack: Stack, word: str):
    answer = another(stack, HTTP_PORT=str(free_port())).ponte(word)

    assert answer.returncode == 3
    assert_one_sentence(answer.stderr)


def another(stack: Stack, **environ: str) -> Stack:
    """A second stack of this checkout, which is not up."""
    own = {"COMPOSE_PROJECT_NAME": stack.environ["COMPOSE_PROJECT_NAME"] + "-other"}
    own |= {"PONTE_RUN": stack.environ["PONTE_RUN"] + "/other"}
    return Stack(stack.engine, stack.url, ours=True, environ={**stack.environ, **own, **environ})


@pytest.mark.full
def test_a_killed_keeper_leaves_no_orphan_and_the_next_up_works(apps: dict[str, App], stack: Stack):
    if stack.engine != "native":
        pytest.skip("the keeper of containers is the Docker engine itself")
    row = apps["flask"].say("before the keeper was killed")
    keeper = parent(int(stack.replicas("fastapi")[0]["id"]))
    orphans = family(keeper) | {int(number) for number in ids(stack).values() if number}
    os.kill(keeper, signal.SIGKILL)

    until(lambda: not alive(orphans), seconds=45)  # they finish what they were doing
    answer = stack.ponte("up")
    assert answer.returncode == 0, answer.stderr
    assert apps["flask"].messages(row["id"] - 1)[0] == row


def test_up_after_down_has_its_data_and_down_leaves_no_process_and_no_port(apps: dict[str, App], stack: Stack):
    row = apps["django"].say("before the stack went down")
    assert down(stack).returncode == 0
    answer = stack.ponte("up")

    assert answer.returncode == 0, answer.stderr
    assert apps["django"].messages(row["id"] - 1)[0] == row
    assert down(stack).returncode == 0
    assert stack.ponte("down").returncode == 3


def down(stack: Stack):
    """Down, with a look at what it leaves."""
    rows = stack.ps()
    ports = [("127.0.0.1", int(row["address"].rpartition(":")[2])) for row in rows if row.get("address")]
    native = {int(row["id"]) for row in rows if row["id"] and stack.engine == "native"}
    everybody = {parent(pid) for pid in native}.union(*(family(pid) for pid in native)) - {1, os.getpid()}
    began = time.monotonic()
    answer = stack.ponte("down")

    assert answer.returncode == 0, answer.stderr
    assert time.monotonic() - began < 60
    assert not alive(everybody)
    assert not [port for port in {*ports, stack.address} if listens(port)]
    with pytest.raises(httpx.ConnectError):
        httpx.get(stack.url + "/healthz")
    return answer
