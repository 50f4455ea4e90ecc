"""The tests of tests/stack/test_routing.py, in process."""

from tests.stack.test_routing import *  # noqa: F403
