"""docs/lost-requests.md, rendered from a run."""

from collections.abc import Mapping, Sequence
from typing import Any

from loadtests.report import say

PAGE = """# Lost requests

{conclusion}

{table}

{note}
A SIGKILL may cost the writes that were under way at that moment, no GET, and nothing twice; never is 3 s nothing answered.
Everything else may cost nothing.

Made by `{command}` on {started} in {seconds}; `make lost-requests` writes this page anew.

| operation | what is done |
|---|---|
{operations}

{notes}

## Where

| | |
|---|---|
{facts}

## How it is counted

Every request carries a UUID. Afterwards the client's notes, the edge's log and the rows in the database are compared: a
write that was answered with 2xx is there once, none is there twice, each failure stands in the log of the edge as one, and
every reader of the chat has heard every message once, in order, across its reconnects. *Lost* is a request without a whole
answer of 2xx; *other faults* are writes that are not there, failures that no log explains, and messages that came twice, out
of order or without being stored. The stack is one of its own, from a copy of the checkout (`loadtests/oracle/`,
`loadtests/experiments/lost_requests.py`).
"""


def page(run: Mapping[str, Any], operations: Mapping[str, str]) -> str:
    """`operations`: what each does, by name."""
    (table,) = run["tables"]
    return PAGE.format(
        conclusion=run["conclusion"],
        table=grid(table["columns"], table["rows"]),
        note=table["note"],
        command=run["command"],
        started=say.moment(run["started"]),
        seconds=say.duration(run["seconds"]),
        operations="\n".join(line((name, what)) for name, what in operations.items()),
        notes="\n".join(f"- {each}" for each in run["notes"]),
        facts="\n".join(line(each) for each in facts(run)),
    )


def grid(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """The first two columns are words, the others numbers."""
    rule = ["---", "---", *["---:"] * (len(columns) - 2)]
    return "\n".join(line(each) for each in (columns, rule, *rows))


def read(page: str, first: str) -> list[dict[str, str]]:
    """The rows of the table in a page whose first column is called so, by column."""
    table = page[page.index(f"| {first} |") :].partition("\n\n")[0].splitlines()
    head, _, *rows = ([cell.strip() for cell in each.strip("|").split("|")] for each in table)
    return [dict(zip(head, row, strict=True)) for row in rows]


def line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def facts(run: Mapping[str, Any]) -> list[tuple[str, str]]:
    found = run["environment"]
    host, stack = found["host"], found["stack"]
    running = [f"{name} by {each['server']} ({each['workers'] or 1})" for name, each in stack["services"].items()]
    return [
        ("host", f"{host['cpu']}, {host['cores']} cores, {say.size(host['memory'])}, Linux {host['kernel']}"),
        ("engine", f"{stack['engine']}, Python {host['python']}"),
        ("versions", ", ".join(f"{name} {version}" for name, version in found["versions"].items())),
        ("workers of a replica", ", ".join(running)),
        ("checkout", found["commit"]),
        ("measurement", measurement(run["verdict"])),
    ]


def measurement(verdict: Mapping[str, Any]) -> str:
    return ": ".join(filter(None, (verdict["word"], "; ".join(verdict["reasons"]))))
