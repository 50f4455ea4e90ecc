"""The bare WSGI callable keeps to PEP 3333: wsgiref.validate stands around it and finds nothing."""

from collections.abc import Iterator
from wsgiref.validate import validator

import pytest

from tests.apps import App
from tests.contract import FRAMEWORKS, ROUTES
from tests.inprocess.child import InProcess


@pytest.fixture(scope="module")
def validated() -> Iterator[App]:
    http = InProcess(FRAMEWORKS["bare-wsgi"], around=validator)
    yield App(FRAMEWORKS["bare-wsgi"], http, "http://localhost:8080")
    http.close()


@pytest.mark.parametrize("method", ("GET", "HEAD", "POST", "DELETE"))
def test_the_validator_finds_nothing_in_any_route(validated: App, method: str):
    for path in ROUTES:
        assert validated.request(method, path).status_code in {200, 404, 405, 501}


def test_the_validator_finds_nothing_in_bodies_and_streams(validated: App):
    assert validated.post("/echo", content=b"x" * 100_000).content == b"x" * 100_000
    assert validated.post("/digest", content=b"x" * 100_000).json()["bytes"] == 100_000
    assert len(validated.get("/stream?chunks=3&ms=1").text.splitlines()) == 3
    assert validated.get("/wait?ms=x").status_code == 422
    assert validated.post("/echo", content=b"x" * 1_048_577).status_code == 413
