"""The tests of tests/stack/test_echo.py, in process."""

from tests.stack.test_echo import *  # noqa: F403
