"""The tests of tests/stack/test_routing.py, in process, and what the edge mends or refuses."""

from tests.apps import App
from tests.contract import assert_error
from tests.stack.test_routing import *  # noqa: F403


def test_a_path_with_more_in_it_is_another_path(app: App):
    for path in ("//json", "//", "/json//", "/json%00"):
        assert_error(app.get(path), 404)
