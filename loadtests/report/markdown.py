"""Tables of the pages in docs/."""

from collections.abc import Sequence


def table(columns: Sequence[str], rows: Sequence[Sequence[str]], words: int, last: int = 0) -> str:
    """The first so many columns are words, and so many of the last; the others are numbers."""
    rule = ["---"] * words + ["---:"] * (len(columns) - words - last) + ["---"] * last
    return "\n".join(line(each) for each in (columns, rule, *rows))


def line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def read(page: str, first: str) -> list[dict[str, str]]:
    """The rows of the table in a page whose first column is called so, by column."""
    found = page[page.index(f"| {first} |") :].partition("\n\n")[0].splitlines()
    head, _, *rows = ([cell.strip() for cell in each.strip("|").split("|")] for each in found)
    return [dict(zip(head, row, strict=True)) for row in rows]
