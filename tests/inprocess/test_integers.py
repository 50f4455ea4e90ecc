"""The tests of tests/stack/test_integers.py, in process."""

from tests.stack.test_integers import *  # noqa: F403
