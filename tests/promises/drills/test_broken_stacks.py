"""Drills on stacks with one thing taken out, on purpose: each has to see it. See promise.md."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from tests import engine
from tests.engine import UP_SECONDS, Stack

DRILL_SECONDS = 240
pytestmark = [pytest.mark.full, pytest.mark.own_stack, pytest.mark.timeout(600)]


@dataclass(frozen=True)
class Mutation:
    drill: str
    sees: str  # in the sentence it ends with
    edits: tuple[tuple[str, str, str], ...]  # file, what it holds, what it shall hold


MEMBER, DEFAULT = "max_fails=3 fail_timeout=2s", "max_fails=1 fail_timeout=10s"
MUTATIONS = {
    "no proxy_next_upstream": Mutation(
        "kill-replica",
        "GET lost",
        (("nginx/snippets/proxy.conf", "proxy_next_upstream error timeout;", "proxy_next_upstream off;"),),
    ),
    "max_fails=1": Mutation(
        "kill-worker",
        "GET",
        tuple(
            (file, MEMBER, DEFAULT) for file in ("deploy/edge.py", "deploy/compose/edge.py", "nginx/entrypoint.sh")
        ),
    ),
    "no synchronous_commit": Mutation(
        "kill-postgres",
        "writes missing",
        (
            ("deploy/native/postgres.py", '"timezone": "UTC",', '"timezone": "UTC", "synchronous_commit": "off",'),
            ("compose.yaml", "[postgres, -c, max_connections=400]", "[postgres, -c, max_connections=400, -c, synchronous_commit=off]"),
        ),
    ),
    "no keepalive_min_timeout": Mutation(
        "clock-cert",
        "GET",
        (("nginx/features/keepalive_min_timeout.conf", "\nkeepalive_min_timeout 3s;", ""),),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_drill_sees_what_was_taken_out(stack: Stack, name: str):
    mutation = MUTATIONS[name]
    with mutated(stack, mutation) as broken:
        answer = broken.ponte("drill", f"DRILL={mutation.drill}", "SERVICE=flask", seconds=DRILL_SECONDS)

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
