"""The fixture `app` of tests/stack/, here an application in process instead of one behind the edge."""

from collections.abc import Iterator

import pytest

from tests.apps import App
from tests.contract import NAMES, SERVICES
from tests.inprocess.child import InProcess


@pytest.fixture(scope="session", params=NAMES)
def inprocess(request: pytest.FixtureRequest) -> Iterator[App]:
    http = InProcess(SERVICES[request.param])
    yield App(SERVICES[request.param], http, "http://localhost:8080")
    http.close()


@pytest.fixture
def app(inprocess: App) -> App:
    return inprocess
