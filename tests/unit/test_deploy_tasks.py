import pytest

from deploy.targets import LOAD
from deploy.tasks import plan
from deploy.variables import Variable

STACK = "tests/stack"


@pytest.mark.parametrize(
    ("engine", "path", "lacking", "runs"),
    [
        ("auto", "tests", "", [("native", "tests"), ("compose", f"{STACK} tests/promises")]),
        ("auto", "tests", "no engine", [("native", "tests")]),
        ("auto", "tests/unit", "", [("native", "tests/unit")]),
        ("auto", f"{STACK}/test_tls.py", "", [("native", f"{STACK}/test_tls.py"), ("compose", f"{STACK}/test_tls.py")]),
        ("native", "tests", "", [("native", "tests")]),
        ("compose", STACK, "no engine", [("compose", STACK)]),
    ],
)
def test_the_stack_is_tested_once_for_each_engine(engine: str, path: str, lacking: str, runs: list):
    assert plan(engine, path, lacking)[1] == runs


def test_what_is_left_out_is_said_with_its_reason():
    assert plan("auto", "tests", "no Docker engine answers")[0] == [
        "tests/stack, tests/promises in containers: no Docker engine answers"
    ]
    assert plan("auto", "tests", "")[0] == []


def word(name: str) -> Variable:
    return next(each for each in LOAD if each.name == name)


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("USERS", ["1", "500"], ["0", "-1", "many"]),
        ("RATE", ["5", "0.5"], ["", "-1", "5/s", "1e3"]),
        ("TIME", ["30s", "2m", "1h30m"], ["30", "s", "1 h"]),
        ("HOST", ["http://127.0.0.1:8080", "https://a.example"], ["127.0.0.1:8080", "ftp://a"]),
    ],
)
def test_words_of_the_load_test_are_checked_before_it_starts(name: str, good: list[str], bad: list[str]):
    for value in good:
        word(name).parse(value)
    for value in bad:
        with pytest.raises(ValueError, match="is not"):
            word(name).parse(value)
