"""docs/lost-requests.md, rendered from a run."""

from collections.abc import Mapping
from typing import Any

from loadtests.report import say
from loadtests.report.markdown import line, table

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
    (lost,) = run["tables"]
    return PAGE.format(
        conclusion=run["conclusion"],
        table=table(lost["columns"], lost["rows"], words=2),
        note=lost["note"],
        command=run["command"],
        started=say.moment(run["started"]),
        seconds=say.duration(run["seconds"]),
        operations="\n".join(line((name, what)) for name, what in operations.items()),
        notes="\n".join(f"- {each}" for each in run["notes"]),
        facts="\n".join(line(each) for each in facts(run)),
    )


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
