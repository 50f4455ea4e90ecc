"""The verdict on a whole run: what its figures rest on decides, and how it ended."""

from dataclasses import replace

import pytest

from loadtests.errors import Stop
from loadtests.experiments.session import Session, verdict
from loadtests.experiments.words import Words
from loadtests.measure.validity import Validity
from tests.unit.test_load_capacity import point

VALID, SUSPECT = Validity("valid", (), {}), Validity("suspect", ("send lag: 12 ms",), {})
INVALID = Validity("invalid", ("steal: 30 %",), {})


def session(*words: Validity, keys: str = "") -> Session:
    """One stage a letter of `keys`, all the same stage without them."""
    made = Session("load", "Throughput", Words(), {}, 1.0)
    names = keys or "a" * len(words)
    made.points = [
        replace(point(100, 0.01), key=f"flask/{name}", validity=word) for name, word in zip(names, words, strict=True)
    ]
    return made


def word(made: Session) -> str:
    return verdict(made, made.judged())["word"]


def test_valid_stages_are_a_valid_run():
    assert word(session(VALID, VALID, VALID)) == "valid"


def test_one_suspect_stage_makes_a_run_suspect():
    assert word(session(VALID, SUSPECT, keys="ab")) == "suspect"


def test_an_invalid_repetition_is_left_out_and_told():
    made = session(VALID, INVALID, VALID)
    told = verdict(made, made.judged())

    assert told["word"] == "suspect"
    assert told["reasons"][0].startswith("1 of 3 stages were invalid and are left out")
    assert len(made.usable) == 2


def test_a_stage_of_which_nothing_is_left_makes_the_run_invalid():
    made = session(VALID, INVALID, INVALID, keys="abb")

    assert word(made) == "invalid"
    assert len(made.usable) == 3


def test_a_peak_only_says_where_stages_lie():
    made = session(INVALID, VALID, keys="ab")
    made.points[0] = replace(made.points[0], offered=None)

    assert word(made) == "valid"


def test_an_interrupted_run_is_suspect_and_one_that_failed_half_way_invalid():
    interrupted, failed = session(VALID), session(VALID)
    interrupted.interrupted, failed.trouble = True, Stop("the stack went away")

    assert (word(interrupted), word(failed)) == ("suspect", "invalid")
    assert verdict(failed, failed.judged())["reasons"] == ["the stack went away"]


def test_nothing_measured_is_invalid():
    assert word(session()) == "invalid"


@pytest.mark.parametrize(("count", "said"), [(3, 1), (1, 1)])
def test_each_cause_is_said_once(count: int, said: int):
    made = session(*[SUSPECT] * count)

    assert len(verdict(made, made.judged())["reasons"]) == said
