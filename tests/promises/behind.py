"""An edge of a test's own in front of the real replicas of the stack, for promises that an application keeps."""

import pytest

from tests.contract import NAMES
from tests.engine import Stack


@pytest.fixture(scope="module")
def upstreams(stack: Stack) -> dict[str, tuple[str, ...]]:
    """Service -> its replicas' own ports: `mutated(file, good, bad, upstreams=upstreams)`."""
    if stack.engine != "native":
        pytest.skip("a replica's own port is not reachable from outside its network")
    rows = stack.ps()
    return {name: tuple(row["address"] for row in rows if row["service"] == name) for name in NAMES}
