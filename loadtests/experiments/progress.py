"""How far an experiment is: one bar with the time left on a terminal, plain lines elsewhere."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


def say(text: str) -> None:
    """On stderr, so that stdout stays the answer."""
    print(text, file=sys.stderr, flush=True)


class Progress:
    """By the seconds an experiment will take; `bar` is rich's, None where there is no terminal."""

    def __init__(self, bar: Any = None, task: Any = None):
        self.bar, self.task = bar, task

    def at(self, seconds: float) -> None:
        if self.bar:
            self.bar.update(self.task, completed=seconds)

    def told(self, text: str) -> None:
        if self.bar:
            return self.bar.update(self.task, description=text)
        say(text)


@contextmanager
def progress(title: str, seconds: float) -> Iterator[Progress]:
    if not sys.stderr.isatty():
        yield Progress()
        return
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    with Bar(TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn(), console=Console(stderr=True)) as bar:
        yield Progress(bar, bar.add_task(title, total=seconds))
