"""What an application says when its own code fails."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.apps import App
from tests.contract import assert_error
from tests.inprocess.child import InProcess


def broken(app: Any) -> Any:
    from core import work

    def burn(ms: int) -> None:
        raise ZeroDivisionError("a secret of the code")

    work.burn = burn
    return app


@pytest.fixture
def failing(app: App) -> Iterator[App]:
    http = InProcess(app.service, around=broken)
    yield App(app.service, http, app.base)
    http.close()


def test_what_nobody_expected_is_500_in_the_one_shape_and_the_next_request_is_served(failing: App):
    answer = failing.get("/cpu?ms=1")

    assert_error(answer, 500)
    assert "secret" not in answer.text
    assert failing.get("/json").status_code == 200
