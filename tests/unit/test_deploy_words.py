import json

import pytest

from deploy.words import last_words

START = ["serve: flask/1: workers 2", "serve: python -m gunicorn app:app"]
BOOT = json.dumps({"level": "info", "message": "Booting worker"})
CRASH = json.dumps(
    {"level": "error", "message": "boot failed", "exception": "Traceback\n  line\nImportError: no module\n"}
)
SAID = "error: boot failed: ImportError: no module"
HALT = ["Traceback (most recent call last):", '  File "arbiter.py", line 1', "HaltServer: error 3"]


@pytest.mark.parametrize(
    "lines",
    [
        [*START, BOOT, CRASH, CRASH],
        [*START, json.dumps({"level": "error", "message": "another"}), *START, BOOT, CRASH],
        [*START, BOOT, CRASH, *START],
        [*START, BOOT, CRASH, *START, BOOT],
    ],
    ids=("each error once", "of the last run", "started again", "started again, and booting"),
)
def test_the_last_words_of_a_crash_say_why(lines: list[str]):
    assert last_words(lines) == [SAID]


def test_a_long_end_does_not_hide_why():
    assert last_words([*START, CRASH, *HALT * 20]) == [SAID, "HaltServer: error 3"]


def test_without_an_error_they_are_the_last_lines():
    assert last_words([*START, *(str(number) for number in range(20)), " "]) == [
        str(number) for number in range(12, 20)
    ]


def test_who_said_nothing_has_none():
    assert last_words(START) == last_words([]) == []
