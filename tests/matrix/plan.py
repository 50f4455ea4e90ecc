"""Which pairs of a server and a framework there are, and which of them are asked for."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from typing import Any

from loadtests.errors import Stop
from tests.contract import APPLICATIONS, TABLE

SERVERS: dict[str, dict[str, Any]] = TABLE["servers"]
INTERFACES = ("wsgi", "asgi")
SWITCH = {"": False, "0": False, "1": True}


@dataclass(frozen=True)
class Words:
    server: str = ""
    framework: str = ""
    quick: bool = False


@dataclass(frozen=True)
class Pair:
    server: str
    framework: str

    @property
    def name(self) -> str:
        return f"{self.server} x {self.framework}"

    @property
    def interface(self) -> str:
        return APPLICATIONS[self.framework].interface

    @property
    def about(self) -> dict[str, Any]:
        return SERVERS[self.server]

    @property
    def fits(self) -> bool:
        return self.interface in self.about["interfaces"]

    @property
    def is_default(self) -> bool:
        return self.server == APPLICATIONS[self.framework].server

    @property
    def websockets(self) -> bool:
        return self.interface == "asgi" and self.about["websockets"]


def parse(given: Sequence[str]) -> Words:
    """Raises Stop with a sentence and exit code 2."""
    words = dict(word.partition("=")[::2] for word in given)
    known = {"SERVER": SERVERS, "FRAMEWORK": APPLICATIONS, "QUICK": SWITCH}
    for name, value in words.items():
        if name not in known:
            raise Stop(f"the word {name} is unknown to the matrix; choose from {', '.join(known)}", 2)
        if value and value not in known[name]:
            raise Stop(f"{name}={value!r} is unknown; choose from {', '.join(filter(None, known[name]))}", 2)
    return Words(words.get("SERVER", ""), words.get("FRAMEWORK", ""), SWITCH[words.get("QUICK", "")])


def pairs(words: Words) -> list[Pair]:
    """One that is named in full is tried even where it makes no sense: the launcher says why not."""
    if words.server and words.framework:
        return [Pair(words.server, words.framework)]
    found = [each for each in every() if words.server in ("", each.server)]
    found = [each for each in found if words.framework in ("", each.framework)]
    return covering(found) if words.quick else found


def every() -> list[Pair]:
    """Framework by framework, its default server first: what the others cost is said as a ratio to it."""
    every = [Pair(server, framework) for framework in APPLICATIONS for server in SERVERS]
    return sorted((each for each in every if each.fits), key=lambda each: (frameworks(every).index(each.framework), not each.is_default))  # fmt: skip


def covering(found: Sequence[Pair]) -> list[Pair]:
    """Each server once on each of its interfaces, each framework once."""
    return [each for interface in INTERFACES for each in covered([p for p in found if p.interface == interface])]


def covered(found: Sequence[Pair]) -> list[Pair]:
    names, others = servers(found), frameworks(found)
    length = max(len(names), len(others))
    return [Pair(*pair) for pair in islice(zip(cycle(names), cycle(others), strict=False), length)]


def servers(found: Iterable[Pair]) -> list[str]:
    return list(dict.fromkeys(each.server for each in found))


def frameworks(found: Iterable[Pair]) -> list[str]:
    return list(dict.fromkeys(each.framework for each in found))
