"""What the user sees: plain lines, tables and one progress line. Answers go to stdout, the rest to stderr."""

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Protocol


def tell(text: str) -> None:
    """On stderr. A reader that has gone (`2>&1 | head`) is no reason to stop half-way."""
    with suppress(BrokenPipeError):
        print(text, file=sys.stderr, flush=True)


class Step(Protocol):
    def __call__(self, text: str) -> None: ...


class Console:
    def __call__(self, text: str) -> None:
        """A line about what happens; stderr, so that stdout stays the answer."""
        tell(text)

    def answer(self, text: str) -> None:
        print(text, flush=True)

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[str]], title: str = "") -> None:
        from rich import box
        from rich.console import Console as Rich
        from rich.table import Table

        table = Table(*columns, title=title or None, title_justify="left", box=box.SIMPLE_HEAD)
        for row in rows:
            table.add_row(*row)
        Rich(highlight=False, markup=False, emoji=False, width=None if sys.stdout.isatty() else 200).print(table)

    @contextmanager
    def progress(self, text: str) -> Iterator[Step]:
        """A line that changes on a terminal; elsewhere each new text is a line of its own."""
        if not sys.stderr.isatty():
            self(text)
            yield lambda update: None
            return
        from rich.console import Console as Rich

        with Rich(stderr=True).status(text) as status:
            yield lambda update: status.update(update)
