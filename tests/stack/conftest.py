"""What the tests of a real stack share: an application behind the edge, and replicas on their own ports."""

from collections.abc import Iterator

import httpx
import pytest

from tests.apps import App
from tests.contract import ASGI, CHOSEN, NAMES, SERVICES, WSGI
from tests.engine import Stack
from tests.stack import known

SECONDS = 60


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that restart, break and stop the stack come last; no test may hang the suite."""
    items.sort(key=lambda item: item.path.name in LAST and LAST.index(item.path.name) + 1)
    for item in (each for each in items if "tests/stack" in each.path.as_posix()):
        if not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(SECONDS))
        if item.path.name not in ASIDE:
            known.mark(item)
        elif OTHERS:
            item.add_marker(pytest.mark.skip(reason="asks nothing of the servers that were chosen"))


LAST = ("test_sigterm.py", "test_restart.py", "test_deploy.py", "test_lifecycle.py")
# They ask the edge, the database, or servers that they start themselves.
ASIDE = (
    "test_adopting.py", "test_backup.py", "test_deploy.py", "test_frameworks.py", "test_load_runs.py",
    "test_locust.py", "test_lost_requests.py", "test_new_project.py", "test_own_port.py", "test_production.py",
    "test_replacements.py", "test_servers.py", "test_swarm.py", "test_tls.py", "test_upstream_http2.py",
)  # fmt: skip
OTHERS = any(CHOSEN[name] != service.server for name, service in SERVICES.items())


@pytest.fixture(scope="session")
def http() -> Iterator[httpx.Client]:
    with httpx.Client(timeout=35) as client:
        yield client


@pytest.fixture(scope="session")
def apps(stack: Stack, http: httpx.Client) -> dict[str, App]:
    return {name: App(service, http, f"{stack.url}/{name}") for name, service in SERVICES.items()}


@pytest.fixture(params=NAMES)
def app(request: pytest.FixtureRequest, apps: dict[str, App]) -> App:
    return apps[request.param]


@pytest.fixture(params=WSGI)
def wsgi_app(request: pytest.FixtureRequest, apps: dict[str, App]) -> App:
    return apps[request.param]


@pytest.fixture(params=ASGI)
def asgi_app(request: pytest.FixtureRequest, apps: dict[str, App]) -> App:
    return apps[request.param]


@pytest.fixture
def replica(app: App, addresses: dict[str, str], http: httpx.Client) -> App:
    """One replica on its own port, without the edge."""
    return direct(app, addresses, http)


@pytest.fixture
def asgi_replica(asgi_app: App, addresses: dict[str, str], http: httpx.Client) -> App:
    return direct(asgi_app, addresses, http)


@pytest.fixture(scope="session")
def addresses(stack: Stack) -> dict[str, str]:
    """Service -> host:port of one of its replicas; containers publish none."""
    return {row["service"]: row["address"] for row in stack.ps() if row["address"] and stack.engine == "native"}


def direct(app: App, addresses: dict[str, str], http: httpx.Client) -> App:
    if app.name not in addresses:
        pytest.skip("a replica's own port is not reachable from outside its network")
    return App(app.service, http, f"http://{addresses[app.name]}")


@pytest.fixture(autouse=True)
def keep_others_stack(request: pytest.FixtureRequest) -> None:
    """A stack somebody else started is neither broken nor stopped."""
    if request.node.get_closest_marker("own_stack") and not request.getfixturevalue("stack").ours:
        pytest.skip("would stop the stack at PONTE_URL, which this run did not start")
