"""The three ways a command ends other than well, each one sentence and an exit code."""

from collections.abc import Sequence

LOG_LINES = 15


class Failure(Exception):
    """Ends the command with a sentence on stderr; no traceback."""

    code = 1


class Answer(Failure):
    """It ran, and the answer is no (exit 1)."""


class Refused(Failure):
    """The input is wrong (exit 2), or with code=3 the environment cannot do it."""

    def __init__(self, sentence: str, code: int = 2):
        super().__init__(sentence)
        self.code = code


def with_log(sentence: str, name: str, lines: Sequence[str]) -> Refused:
    """The sentence, and below it the last words of what failed (exit 3)."""
    return impossible(sentence + below(name, lines))


def below(name: str, lines: Sequence[str]) -> str:
    """The end of a log, as it stands under a sentence."""
    return "".join(f"\n  {name} | {line}" for line in lines[-LOG_LINES:])


def impossible(sentence: str) -> Refused:
    """The environment cannot do it: no engine, port taken, nothing up (exit 3)."""
    return Refused(sentence, 3)
