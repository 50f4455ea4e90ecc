"""Drills on stacks with one thing taken out, on purpose: each has to see it. See promise.md."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from loadtests.drills.table import DRILLS
from tests import engine
from tests.engine import UP_SECONDS, Stack
from tests.promises.drills.test_drills import DRILL_SECONDS, RATE

pytestmark = [pytest.mark.full, pytest.mark.own_stack, pytest.mark.timeout(600)]


@dataclass(frozen=True)
class Mutation:
    drill: str
    sees: str  # in the sentence it ends with
    edits: tuple[tuple[str, str, str], ...]  # file, what it holds, what it shall hold


PROXY = "nginx/snippets/proxy.conf"
POOLS = "apps/core/database.py"
MEMBER, DEFAULT, UNCOUNTED = "max_fails=3 fail_timeout=2s", "max_fails=1 fail_timeout=10s", "max_fails=0"
MEMBERS = ("deploy/edge.py", "deploy/compose/edge.py", "nginx/entrypoint.sh")
NATIVE_SETTINGS, COMPOSE_SETTINGS = '"timezone": "UTC",', "[postgres, -c, max_connections=400]"
NO_SYNC = (
    ("deploy/native/postgres.py", NATIVE_SETTINGS, f'{NATIVE_SETTINGS} "synchronous_commit": "off",'),
    ("compose.yaml", COMPOSE_SETTINGS, f"{COMPOSE_SETTINGS[:-1]}, -c, synchronous_commit=off]"),
)
MUTATIONS = {
    # (!) With failures counted the third one ends it, and all three may be POSTs.
    "no proxy_next_upstream": Mutation(
        "kill-replica",
        "GET lost",
        (
            (PROXY, "proxy_next_upstream error timeout;", "proxy_next_upstream off;"),
            *((file, MEMBER, UNCOUNTED) for file in MEMBERS),
        ),
    ),
    "max_fails=1": Mutation(
        "kill-worker",
        "GET",
        tuple((file, MEMBER, DEFAULT) for file in MEMBERS),
    ),
    "proxy_read_timeout below a hang": Mutation(
        "hang-replica", "POST lost", ((PROXY, "proxy_read_timeout 60s;", "proxy_read_timeout 3s;"),)
    ),
    "proxy_read_timeout below a pause": Mutation(
        "slow-replica", "POST lost", ((PROXY, "proxy_read_timeout 60s;", "proxy_read_timeout 350ms;"),)
    ),
    "no synchronous_commit": Mutation("kill-postgres", "writes missing", NO_SYNC),
    "PostgreSQL stopped without writing": Mutation(
        "restart-postgres",
        "writes missing",
        (
            *NO_SYNC,
            ("deploy/native/postgres.py", 'stop_signal="INT"', 'stop_signal="QUIT"'),
            ("compose.yaml", "stop_signal: SIGINT  # end sessions", "stop_signal: SIGQUIT  # end sessions"),
        ),
    ),
    "pools that wait for long": Mutation(
        "pause-postgres", "no GET of flask succeeded", ((POOLS, "WAIT_SECONDS = 5", "WAIT_SECONDS = 60"),)
    ),
    "pools that wait for as long as a lock": Mutation(
        "exhaust-pool", "no GET of flask succeeded", ((POOLS, "WAIT_SECONDS = 5", "WAIT_SECONDS = 60"),)
    ),
    "an edge stopped by TERM": Mutation(
        "restart-edge", "GET", (("deploy/native/routing.py", 'stop_signal="QUIT"', 'stop_signal="TERM"'),)
    ),
    "no keepalive_min_timeout": Mutation(
        "clock-cert",
        "GET",
        (("nginx/features/keepalive_min_timeout.conf", "\nkeepalive_min_timeout 3s;", ""),),
    ),
    "few worker_connections": Mutation(
        "fill-backlog",
        "unexplained",
        (
            ("deploy/edge.py", "str(edge.files // 2)", "str(256)"),
            ("nginx/entrypoint.sh", "$((PONTE_FILES / 2))", "256"),
        ),
    ),
    "bodies on the disk of the answers": Mutation(
        "fill-disk",
        "POST lost",
        (
            ("nginx/snippets/client.conf", "client_body_buffer_size 128k;", "client_body_in_file_only clean;"),
            ("nginx/templates/snippets/temp.conf.template", "${PONTE_TEMP}/body", "${PONTE_CACHE}/body"),
        ),
    ),
    "names asked for with each request": Mutation(
        "dns-down",
        "lost",
        (
            (
                "nginx/services/flask.conf",
                "proxy_pass http://flask/;",
                "set $asked flask;\n    rewrite ^/flask(/.*)$ $1 break;\n    proxy_pass http://$asked:8001;",
            ),
        ),
    ),
}


def test_there_is_a_mutation_for_every_drill() -> None:
    assert {each.drill for each in MUTATIONS.values()} == set(DRILLS)


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_drill_sees_what_was_taken_out(stack: Stack, name: str):
    mutation = MUTATIONS[name]
    drill = DRILLS[mutation.drill]
    if stack.engine not in drill.engines or (mutation.drill == "fill-disk" and stack.engine == "native"):
        pytest.skip(f"{mutation.drill} is not for {stack.engine}")
    with mutated(stack, mutation) as broken:
        words = (f"DRILL={mutation.drill}", "SERVICE=flask", f"RATE={RATE[stack.engine]}")
        answer = broken.ponte("drill", *words, seconds=DRILL_SECONDS)

    assert answer.returncode == 1, answer.stdout + answer.stderr[-4000:]
    assert f"{mutation.drill} broke its promise" in answer.stderr
    assert mutation.sees in answer.stderr.rpartition("broke its promise")[2]


@contextmanager
def mutated(stack: Stack, mutation: Mutation) -> Iterator[Stack]:
    if not stack.ours:
        pytest.skip("would start a second stack beside the one at PONTE_URL")
    second = engine.elsewhere(stack, DJANGO_REPLICAS="1", DJANGO_ASGI_REPLICAS="1", FASTAPI_REPLICAS="1")
    try:
        engine.check_out(second)
        for file, good, bad in mutation.edits:
            path = second.root / file
            text = path.read_text()
            assert good in text, f"{file} does not hold {good!r} (any more): the mutation would change nothing"
            path.write_text(text.replace(good, bad))
        answer = second.ponte("up", seconds=UP_SECONDS)
        assert answer.returncode == 0, answer.stderr
        yield second
    finally:
        engine.remove(second)
