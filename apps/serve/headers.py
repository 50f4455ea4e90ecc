"""Repeated headers of a request, as the one value that an application sees."""

from collections.abc import Iterable
from typing import AnyStr


def joined(headers: Iterable[tuple[AnyStr, AnyStr]], comma: AnyStr) -> list[tuple[AnyStr, AnyStr]]:
    """In the order of their first appearance; `comma`: ", " or b", ", with the space that some servers leave out."""
    found: dict[AnyStr, AnyStr] = {}
    for name, value in headers:
        found[name] = found[name] + comma + value if name in found else value
    return list(found.items())
