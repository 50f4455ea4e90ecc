"""Every other server in the place of a service's own: the contract suite of tests/stack/, in the whole stack.

`./ponte test SERVER=granian` is one of them by itself. What one cannot do stands in tests/matrix/reasons.py.
"""

import os
import subprocess
import sys
from itertools import zip_longest

import pytest

from deploy.variables import prefix
from tests.contract import ASGI, ROOT, SERVICES, WSGI
from tests.servers import PAIRS

SECONDS = 900
LAST_CHARACTERS = 6000


def others(service: str) -> list[str]:
    return [server for name, server in PAIRS if name == service and server != SERVICES[name].server]


def turns(services: tuple[str, ...]) -> list[dict[str, str]]:
    """Each service another server, until each server has had its turn."""
    servers = others(services[0]) if services else []
    return [dict(zip(services, servers[i:], strict=False)) for i in range(0, len(servers), len(services) or 1)]


ROUNDS = [(wsgi or {}) | (asgi or {}) for wsgi, asgi in zip_longest(turns(WSGI), turns(ASGI))]


@pytest.mark.full
@pytest.mark.timeout(SECONDS)
@pytest.mark.parametrize("servers", [pytest.param(each, id="-".join(each.values())) for each in ROUNDS])
def test_the_whole_stack_keeps_the_contract_with(request: pytest.FixtureRequest, servers: dict[str, str]):
    if request.config.getoption("--engine") != "native":
        pytest.skip("starts stacks of the native engine")
    chosen = {f"{prefix(service)}_SERVER": server for service, server in servers.items()}
    command = [sys.executable, "-m", "pytest", "-q", "--tb=short", "tests/stack", "--engine", "native"]
    environ = {**os.environ, "TIER": "quick", **chosen}
    done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True)

    assert done.returncode == 0, done.stdout[-LAST_CHARACTERS:] + done.stderr[-LAST_CHARACTERS:]
