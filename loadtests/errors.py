"""How an experiment ends other than well: one sentence and the exit code of the contract."""


class Stop(Exception):
    """1: it ran and the answer is no. 2: the input is wrong. 3: the environment cannot do it."""

    def __init__(self, sentence: str, code: int = 3):
        super().__init__(sentence)
        self.code = code
