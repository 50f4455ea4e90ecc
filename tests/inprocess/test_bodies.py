"""The tests of tests/stack/test_bodies.py, in process."""

from tests.stack.test_bodies import *  # noqa: F403
