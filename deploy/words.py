"""The last words of a program that failed, out of a log that says much else."""

import json
import re
from collections.abc import Iterable, Sequence

READ = 200  # lines of the log
SAID = 8
START = "serve: "  # the launcher's first lines: here one run ends and the next begins
ERROR = re.compile(r"error|exception|fatal|refuse", re.IGNORECASE)


def last_words(lines: Iterable[str]) -> list[str]:
    """Of the last run that tells an error, each error once; when none does, the end of the last run that tells anything.

    (!) Not always of the last run: who ended may have been started again already, and has said nothing yet.
    """
    told = [list(dict.fromkeys(filter(str.strip, run))) for run in runs([plain(line) for line in lines])]
    errors = [[line for line in run if ERROR.search(line)] for run in told]
    return next(filter(None, [*reversed(errors), *reversed(told)]), [])[-SAID:]


def runs(lines: Sequence[str]) -> list[list[str]]:
    found: list[list[str]] = [[]]
    for line in lines:
        if line.startswith(START):
            found.append([])
        else:
            found[-1].append(line)
    return found


def plain(line: str) -> str:
    """Of a log object its message and the end of its traceback; any other line as it is."""
    try:
        entry = json.loads(line)
        exception = entry.get("exception", "").strip().rpartition("\n")[2]
        told = ": ".join(filter(None, (entry["level"], entry["message"], exception)))
        return " ".join(told.split())
    except (ValueError, KeyError, AttributeError, TypeError):
        return line
