"""What a user may say to an experiment, `NAME=value`, and the stages that follow from it."""

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from loadtests.errors import Stop
from loadtests.services import SERVICES
from loadtests.users.mixes import MIXES

STAGES = Path(__file__).with_name("stages.toml")
SLO = Path(__file__).resolve().parent.parent / "slo.toml"
UNITS = {"s": 1, "m": 60, "h": 3600}


@dataclass(frozen=True)
class Words:
    service: str = ""
    host: str = ""
    rate: float | None = None
    users: int | None = None
    time: float | None = None
    processes: int = 1
    quick: bool = False
    full: bool = False
    quota: float | None = None
    server: str = ""
    mix: str = ""
    repetitions: int | None = None
    given: tuple[str, ...] = field(default=())  # as typed, for the command line in the report


def parse(words: Sequence[str]) -> Words:
    given = dict(word.partition("=")[::2] for word in words)
    known = {
        "SERVICE": ("service", one_of(*SERVICES)), "HOST": ("host", url), "RATE": ("rate", above_zero),
        "USERS": ("users", count), "TIME": ("time", duration), "PROCESSES": ("processes", count),
        "QUICK": ("quick", switch), "FULL": ("full", switch), "CPU_QUOTA": ("quota", above_zero),
        "SERVER": ("server", str), "N": ("repetitions", count), "MIX": ("mix", mix),
    }  # fmt: skip
    values: dict[str, Any] = {}
    for name, value in given.items():
        if name not in known:
            raise Stop(f"the word {name} is unknown; choose from {', '.join(known)}", 2)
        attribute, read = known[name]
        try:
            values[attribute] = read(value) if value else None
        except ValueError as error:
            raise Stop(f"{name}={value!r} {error}", 2) from None
    values = {name: value for name, value in values.items() if value is not None}
    if values.get("quick") and values.get("full"):
        raise Stop("QUICK=1 and FULL=1 exclude each other; choose one", 2)
    return Words(**values, given=tuple(words))


def config(experiment: str, words: Words) -> dict[str, Any]:
    """The stages of an experiment: its table in stages.toml, with what QUICK=1 or FULL=1 changes, then N= and MIX=."""
    table = tomllib.loads(STAGES.read_text())[experiment]
    quick, full = table.pop("quick", {}), table.pop("full", {})
    plan = table | (quick if words.quick else full if words.full else {})
    said = {"repetitions": words.repetitions, "mix": words.mix, "mixes": [words.mix] if words.mix else None}
    return plan | {name: value for name, value in said.items() if value and name in plan}


def one_of(*choices: str):
    def read(value: str) -> str:
        if value not in choices:
            raise ValueError(f"is unknown; choose from {', '.join(choices)}")
        return value

    return read


def mix(value: str) -> str:
    if value not in MIXES and not re.fullmatch(r"/\S*", value):
        raise ValueError(f"is unknown; choose from {', '.join(MIXES)}, or write a path such as /json")
    return value


def url(value: str) -> str:
    if not re.fullmatch(r"https?://[^\s/]\S*", value):
        raise ValueError("is no address; write http://HOST:PORT")
    return value


def above_zero(value: str) -> float:
    if not re.fullmatch(r"\d{1,7}(\.\d{1,6})?", value, re.A) or not float(value):
        raise ValueError("is no number above 0; write one such as 50 or 0.5")
    return float(value)


def count(value: str) -> int:
    if not re.fullmatch(r"[1-9]\d{0,5}", value, re.A):
        raise ValueError("is no count; write a whole number from 1")
    return int(value)


def duration(value: str) -> float:
    found = re.fullmatch(r"(?:(\d{1,4})h)?(?:(\d{1,4})m)?(?:(\d{1,5})s)?", value, re.A)
    seconds = (
        sum(int(part or 0) * unit for part, unit in zip(found.groups(), (3600, 60, 1), strict=True)) if found else 0
    )
    if not seconds:
        raise ValueError("is no time; write 30s, 2m or 1h30m")
    return float(seconds)


def switch(value: str) -> bool:
    if value not in ("0", "1"):
        raise ValueError("is no switch; choose from 0, 1")
    return value == "1"
