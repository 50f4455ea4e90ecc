"""What clients send, turned into values; everything that does not fit raises a Problem."""

import json
import re
from typing import Any
from urllib.parse import parse_qsl

from core.errors import Problem, unprocessable
from core.settings import KIB, MIB

LARGEST = 2**63 - 1
JSON_LIMIT = 64 * KIB
ECHO_LIMIT = MIB
UUID = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
# Text PostgreSQL and JSON readers cannot hold: U+0000 and halves of a surrogate pair.
UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def digits(name: str, text: str) -> int:
    """Only ASCII digits: int() alone would take '+5', '1_0' and digits of other scripts."""
    if not re.fullmatch("[0-9]{1,4000}", text) or int(text) > LARGEST:
        raise unprocessable(f"{name} is not a whole number from 0 to 2^63-1.")
    return int(text)


def within(name: str, number: int, low: int, high: int) -> int:
    if not low <= number <= high:
        raise unprocessable(f"{name} is not from {low} to {high}.")
    return number


class Query:
    """The query string of a request, read parameter by parameter.

    Examples:
        Query("ms=20").integer("ms", 10, high=1000) == 20
    """

    def __init__(self, text: str) -> None:
        self.pairs = parse_qsl(text, keep_blank_values=True, errors="replace", max_num_fields=None)

    def text(self, name: str) -> str | None:
        given = [value for key, value in self.pairs if key == name]
        if len(given) > 1:
            raise unprocessable(f"{name} is given more than once.")
        return given[0] if given else None

    def integer(self, name: str, default: int, low: int = 0, high: int = LARGEST) -> int:
        given = self.text(name)
        return within(name, default if given is None else digits(name, given), low, high)

    def optional(self, name: str) -> int | None:
        given = self.text(name)
        return None if given is None else digits(name, given)

    def choice(self, name: str, choices: tuple[str, ...]) -> str:
        """One of the choices; the first is the default."""
        given = self.text(name)
        if given is not None and given not in choices:
            raise unprocessable(f"{name} is not one of {', '.join(choices)}.")
        return given or choices[0]


STREAM_LIMIT_MS = 30_000


def stream(query: Query) -> tuple[int, int]:
    """Number of chunks and milliseconds before each, the whole at most 30 seconds."""
    chunks = query.integer("chunks", 10, low=1, high=1000)
    ms = query.integer("ms", 50, high=1000)
    if chunks * ms > STREAM_LIMIT_MS:
        raise unprocessable(f"chunks x ms is more than {STREAM_LIMIT_MS}.")
    return chunks, ms


def too_large(limit: int) -> Problem:
    return Problem(413, f"The body is larger than {limit} bytes.")


def check_length(header: str | None, limit: int) -> None:
    """Refuses by Content-Length, before a byte of the body is read."""
    if header and header.isascii() and header.isdigit() and int(header) > limit:
        raise too_large(limit)


def json_object(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body.decode("utf-8"), parse_constant=not_json)
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise Problem(400, "The body is not JSON.") from error
    except (ValueError, RecursionError) as error:  # a number of thousands of digits, thousands of brackets
        raise unprocessable("The body is JSON that no field can hold.") from error
    if not isinstance(value, dict):
        raise unprocessable("The body is not a JSON object.")
    return value


def not_json(constant: str) -> None:
    raise json.JSONDecodeError(f"{constant} is not JSON", constant, 0)


def text_field(body: dict[str, Any], name: str, longest: int) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not 1 <= len(value) <= longest:
        raise unprocessable(f"{name} is not a text of 1 to {longest} characters.")
    if UNSTORABLE.search(value):
        raise unprocessable(f"{name} holds a character that cannot be stored.")
    return value


def message(body: bytes) -> tuple[str, str]:
    """Author and text of a chat message."""
    fields = json_object(body)
    return text_field(fields, "author", 80), text_field(fields, "text", 2000)


def job(body: bytes) -> int:
    """Milliseconds that a job takes."""
    ms = json_object(body).get("ms")
    if type(ms) is not int:  # True is an int in Python, and not in JSON
        raise unprocessable("ms is not a whole number.")
    return within("ms", ms, 0, 30_000)


def idempotency_key(header: str | None) -> str | None:
    if header is None:
        return None
    if not UUID.fullmatch(header):
        raise unprocessable("Idempotency-Key is not a UUID.")
    return header.lower()


def json_body(**properties: dict[str, object]) -> dict[str, Any]:
    """A JSON object as OpenAPI describes it; every field is required."""
    schema = {"type": "object", "required": list(properties), "properties": properties}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


MESSAGE_BODY = json_body(
    author={"type": "string", "minLength": 1, "maxLength": 80},
    text={"type": "string", "minLength": 1, "maxLength": 2000},
)
JOB_BODY = json_body(ms={"type": "integer", "minimum": 0, "maximum": 30_000})
