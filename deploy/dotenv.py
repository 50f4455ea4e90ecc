"""Reads `.env` the way Docker Compose does, and refuses what the two would read differently."""

import re
from pathlib import Path

from deploy.errors import Refused

NAME = re.compile(r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*)$")
QUOTED = re.compile(r"""(?P<quote>['"])(?P<value>.*?)(?P=quote)\s*(?:#.*)?$""")
MEND = "write NAME=value, one a line"


def read(path: Path) -> dict[str, str]:
    """The file's variables; an absent file has none."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise Refused(f"{path.name} cannot be read ({error}); make it a UTF-8 text file") from None
    return parse(text, path.name)


def parse(text: str, name: str = ".env") -> dict[str, str]:
    values = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip() and not line.lstrip().startswith("#"):
            key, value = _pair(line.strip(), f"{name} line {number}: {line.strip()!r}")
            values[key] = value
    return values


def _pair(line: str, where: str) -> tuple[str, str]:
    match = NAME.match(line)
    if not match:
        raise Refused(f"{where} is not a variable; {MEND}")
    return match[1], _value(match[2], where)


def _value(raw: str, where: str) -> str:
    if raw[:1] in ("'", '"'):
        return _unquote(raw, where)
    return _without_dollar(re.split(r"\s#", " " + raw, maxsplit=1)[0].strip(), where)


def _unquote(raw: str, where: str) -> str:
    match = QUOTED.match(raw)
    if not match:
        raise Refused(f"{where} has a quote that is not closed or text behind it; {MEND}")
    if match["quote"] == "'":
        return match["value"]
    return _without_dollar(match["value"], where)


def _without_dollar(value: str, where: str) -> str:
    if "$" in value or "\\" in value:
        raise Refused(f"{where} has a $ or a backslash, which tools read differently; put the value in single quotes")
    return value
