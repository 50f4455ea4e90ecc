"""The frameworks beside the services: the part of the contract that needs no database, and nothing else."""

import pytest

from tests.apps import App
from tests.contract import FRAMEWORKS, ROUTES, assert_error


@pytest.mark.parametrize("inprocess", FRAMEWORKS, indirect=True)
def test_what_needs_a_database_is_404(app: App):
    for path in filter(app.service.lacks, ROUTES):
        for method in ("GET", "POST", "DELETE"):
            assert_error(app.request(method, path), 404)
