"""What a client may do wrong on a WebSocket, and what is said to it: see promise.md."""

import pytest

from deploy.ports import free_port
from tests import wire
from tests.apps import quickly
from tests.contract import ASGI
from tests.engine import Stack
from tests.promises.behind import upstreams  # noqa: F401
from tests.promises.websocket_conformance.cases import CASES
from tests.promises.websocket_conformance.frames import Way
from tests.promises.websocket_conformance.lenient import lenient

RIGHT = ("close code 1002", "close code 1007", "close code 1009")  # a client may say so as well
# Both have the same server and the same code behind it: one in the quick tier.
SERVICES = quickly(ASGI[-1:], ASGI)
REFUSED = ([("close", 1002)], [("close", 1007)], [("close", 1009)])
WRONG = [name for name, case in CASES.items() if case.expected in REFUSED and name not in RIGHT]
# Read to the end by the other side: bytes that come after its verdict would meet a closed connection.
PACED = [name for name, case in CASES.items() if len(case.sent) < 250 and case.expected not in REFUSED]
PACED.remove("words after the close")


def holds(case: str, ways: dict[str, Way], pace: int = 0) -> None:
    sent, expected, answers, then = CASES[case]

    seen = {name: way.outcome(sent, answers, then, pace) for name, way in ways.items()}

    assert seen == dict.fromkeys(ways, expected)


@pytest.fixture(scope="module")
def ways(stack: Stack) -> dict[str, dict[str, Way]]:
    """Service -> the ways there: through the edge, and straight at a replica where it can be reached."""
    through = {name: f"/{name}/ws/echo" for name in ASGI}
    found = {
        name: {"ws": Way(stack.address, path), "wss": Way(stack.tls_address, path, tls=True)}
        for name, path in through.items()
    }
    if stack.engine == "native":
        for row in stack.ps():
            if row["service"] in ASGI:
                found[row["service"]]["direct"] = Way(wire.address(row["address"]), "/ws/echo")
    return found


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("service", SERVICES)
def test_every_frame_has_the_same_outcome_on_every_way(ways, service: str, case: str) -> None:
    holds(case, ways[service])


@pytest.mark.full
@pytest.mark.parametrize("case", PACED)
@pytest.mark.parametrize("service", ASGI)
def test_it_does_not_matter_how_the_bytes_arrive(ways, service: str, case: str) -> None:
    holds(case, ways[service], pace=1)


@pytest.mark.full
@pytest.mark.parametrize("case", WRONG)
def test_a_server_that_checks_nothing_is_caught(case: str) -> None:
    with lenient() as address, pytest.raises(AssertionError):
        holds(case, {"direct": Way(address, "/")})


MUTATIONS = [
    ("snippets/websocket.conf", "HTTP/1.1 websocket;", 'HTTP/1.1 "";'),
    ("snippets/websocket.conf", "websocket upgrade;", "websocket close;"),
]
USUAL = ("text in three fragments", "a ping between fragments", "close code 4000", "1 MiB and a byte")


def through(edge_) -> dict[str, Way]:
    return {"ws": Way(edge_.address, "/fastapi/ws/echo"), "wss": Way(edge_.tls, "/fastapi/ws/echo", tls=True)}


@pytest.mark.full
@pytest.mark.parametrize("case", USUAL)
def test_an_edge_of_our_own_passes(mutated, upstreams, case: str) -> None:  # noqa: F811
    with mutated(upstreams=upstreams, listen_tls=(f"127.0.0.1:{free_port()}",)) as edge_:
        holds(case, through(edge_))


@pytest.mark.full
@pytest.mark.parametrize(("file", "good", "bad"), MUTATIONS)
def test_an_edge_that_does_not_upgrade_is_caught(mutated, upstreams, file: str, good: str, bad: str) -> None:  # noqa: F811
    with (
        mutated(file, good, bad, upstreams=upstreams, listen_tls=(f"127.0.0.1:{free_port()}",)) as edge_,
        pytest.raises(AssertionError),
    ):
        holds(USUAL[0], through(edge_))
