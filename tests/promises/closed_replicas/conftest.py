"""The processes of a native stack."""

import pytest

from tests import processes
from tests.engine import Stack


@pytest.fixture(scope="module")
def native(stack: Stack) -> Stack:
    if stack.engine != "native":
        pytest.skip("containers have namespaces of their own: test_in_containers.py looks at them")
    return stack


@pytest.fixture
def pids(native: Stack) -> set[int]:
    """Every process whose run folder is this stack's: the keeper's family."""
    return processes.family(processes.parent(int(native.replicas("flask")[0]["id"])))
