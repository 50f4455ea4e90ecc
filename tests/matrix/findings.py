"""What a check found, and what is made of it: a verified reason, or red."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from tests.matrix.boot import Up
from tests.matrix.plan import Pair

PASS, DIFFERS, FAIL, ABSENT = "pass", "differs", "fail", "absent"
WORDS = (ABSENT, PASS, DIFFERS, FAIL)  # the last one that occurs is the cell's


@dataclass(frozen=True)
class Finding:
    about: str  # what was promised
    said: str  # what was seen instead


@dataclass
class Found:
    """By one check."""

    asked: list[str] = field(default_factory=list)  # everything that could have been found
    findings: list[Finding] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)

    def ask(self, about: str, said: str = "") -> None:
        self.asked.append(about)
        if said:
            self.findings.append(Finding(about, said))


Check = Callable[[Up], Found]


@dataclass(frozen=True)
class Reason:
    """A difference that somebody has looked into: such servers do not keep what `about` promises (patterns, both)."""

    servers: Sequence[str]
    about: str
    why: str
    said: str = "*"
    always: bool = True  # False: a race, which may be won
    frameworks: Sequence[str] = ()  # none: all
    interface: str = ""  # none: both

    def meets(self, pair: Pair) -> bool:
        return (
            pair.server in self.servers
            and (not self.frameworks or pair.framework in self.frameworks)
            and self.interface in ("", pair.interface)
        )

    def concerns(self, about: str) -> bool:
        return fnmatchcase(about, self.about)

    def explains(self, finding: Finding) -> bool:
        return self.concerns(finding.about) and fnmatchcase(finding.said, self.said)


@dataclass
class Judged:
    word: str
    reasons: list[str]  # of what differs
    faults: list[str]  # of what is red


def judge(pair: Pair, found: Found, table: Sequence[Reason]) -> Judged:
    """A finding needs a reason, and a reason a finding: one that no longer holds is a fault too."""
    reasons = [each for each in table if each.meets(pair)]
    used = [each for each in reasons if any(map(each.explains, found.findings))]
    unexplained = [one for one in found.findings if not any(each.explains(one) for each in reasons)]
    over = [each for each in reasons if each.always and each not in used and any(map(each.concerns, found.asked))]
    faults = [f"{one.about}: {one.said}" for one in unexplained]
    faults += [f"no longer so, take it out of the reasons: {each.why} ({each.about})" for each in over]
    why = list(dict.fromkeys(each.why for each in used))
    return Judged(FAIL if faults else DIFFERS if why else PASS, why, faults)


def worst(words: Sequence[str]) -> str:
    return max(words, key=WORDS.index, default=PASS)
