"""The same corpus straight to each replica of the stack, past the edge: see promise.md."""

import json
import uuid

import pytest

from tests import wire
from tests.config.edge import Outside
from tests.contract import NAMES, SERVICES
from tests.corpus import CORPUS
from tests.engine import Stack
from tests.stack.tolerated import tolerated

AUTHOR = f"smuggler {uuid.uuid4()}"
TAKEN = {what for name in NAMES for what in tolerated(name, SERVICES[name].server)}
SECONDS = 1  # a server may wait for the rest of what it has misread


@pytest.fixture
def ports(stack: Stack) -> dict[str, list[wire.Address]]:
    if stack.engine != "native":
        pytest.skip("a replica's own port is not reachable from outside its network")
    return {name: [wire.address(row["address"]) for row in stack.replicas(name)] for name in NAMES}


@pytest.mark.full
@pytest.mark.parametrize("service", NAMES)
def test_a_replica_refuses_them_by_itself(ports: dict[str, list[wire.Address]], service: str) -> None:
    wanted = tolerated(service, SERVICES[service].server)
    for port in ports[service]:
        assert {what for what in CORPUS if taken(port, what)} == wanted


def taken(port: wire.Address, what: str) -> bool:
    """Answered as if it were good; and the replica answers the next one all the same."""
    received = wire.exchange(port, CORPUS[what]("/messages", body(what)), SECONDS)
    assert Outside(port).ask("/json").json == {"message": "Hello, World!"}
    return any(status < 400 for status in wire.statuses(received))


@pytest.mark.full
def test_none_of_those_was_carried_out(front: Outside, ports: dict[str, list[wire.Address]]) -> None:
    for service in NAMES:
        for what in set(CORPUS) - TAKEN:
            wire.exchange(ports[service][0], CORPUS[what]("/messages", body(what)), SECONDS)
    newest = front.ask("/flask/messages", method="POST", body=body("good")).json["id"]
    page = front.ask(f"/flask/messages?after={max(newest - 400, 0)}&limit=500").json["messages"]
    stored = {row["text"] for row in page if row["author"] == AUTHOR}

    assert "good" in stored and stored.isdisjoint(set(CORPUS) - TAKEN)


def body(text: str) -> bytes:
    return json.dumps({"author": AUTHOR, "text": text}).encode()
