"""The three ways a command ends other than well, each one sentence and an exit code."""


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


def impossible(sentence: str) -> Refused:
    """The environment cannot do it: no engine, port taken, nothing up (exit 3)."""
    return Refused(sentence, 3)
