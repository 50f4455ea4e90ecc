"""The tests of tests/stack/test_sessions.py, in process."""

from tests.stack.test_sessions import *  # noqa: F403
