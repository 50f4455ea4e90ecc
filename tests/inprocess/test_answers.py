"""The tests of tests/stack/test_answers.py, in process."""

from tests.stack.test_answers import *  # noqa: F403
