"""The fixture `app` of tests/stack/, here an application in process instead of one behind the edge."""

from collections.abc import Iterator

import pytest

from tests.apps import App
from tests.contract import APPLICATIONS, SERVICES
from tests.inprocess.child import InProcess


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """An application is not asked for what it lacks."""
    lacking = {item for item in items if not possible(item)}
    config.hook.pytest_deselected(items=[*lacking])
    items[:] = [item for item in items if item not in lacking]


def possible(item: pytest.Item) -> bool:
    given = item.callspec.params if hasattr(item, "callspec") else {}
    if "inprocess" not in given:
        return True
    asked = [path for marker in item.iter_markers("asks") for path in marker.args]
    asked += [given["path"]] if "path" in given else []
    return not any(map(APPLICATIONS[given["inprocess"]].lacks, asked))


# What people run, and the interfaces themselves; `make matrix QUICK=1` has each framework once.
QUICK = (*SERVICES, "bare-wsgi", "bare-asgi")
EACH = [pytest.param(name, marks=() if name in QUICK else pytest.mark.full) for name in APPLICATIONS]


@pytest.fixture(scope="session", params=EACH)
def inprocess(request: pytest.FixtureRequest) -> Iterator[App]:
    http = InProcess(APPLICATIONS[request.param])
    yield App(APPLICATIONS[request.param], http, "http://localhost:8080")
    http.close()


@pytest.fixture
def app(inprocess: App) -> App:
    return inprocess
