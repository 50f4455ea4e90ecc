"""Which services and engines a new project has, and how the others are told apart in a text."""

import re
from dataclasses import dataclass
from functools import cached_property

from deploy.errors import Refused
from deploy.variables import DJANGO, SERVICES, prefix

FRAMEWORKS = (
    "starlette",
    "quart",
    "blacksheep",
    "bottle",
    "pyramid",
)  # only compared here; no project starts from them
TITLES = {"flask": "Flask", "django": "Django", "django-asgi": "Django", "fastapi": "FastAPI"}
SERVERS = {"flask": "Gunicorn", "django": "Gunicorn", "django-asgi": "Uvicorn", "fastapi": "Uvicorn"}
ASGI = ("django-asgi", "fastapi")
ALWAYS = ("compose", "native")  # what its tests run
OPTIONAL = ("swarm", "systemd", "kubernetes")
ENGINES = (*ALWAYS, *OPTIONAL)


@dataclass(frozen=True)
class Choice:
    project: str
    services: tuple[str, ...]
    engines: tuple[str, ...] = ENGINES

    @cached_property
    def without(self) -> tuple[str, ...]:
        return tuple(name for name in SERVICES if name not in self.services)

    @cached_property
    def without_engines(self) -> tuple[str, ...]:
        return tuple(name for name in OPTIONAL if name not in self.engines)

    @property
    def asgi(self) -> tuple[str, ...]:
        return tuple(name for name in self.services if name in ASGI)

    @property
    def django(self) -> bool:
        return any(name in self.services for name in DJANGO)

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """`flask`, `/flask/`, `flask-1` and `FLASK_`; not `flask` in static/flask, where a framework's files lie."""
        names = [own(name) for name in (*self.without, *FRAMEWORKS)]
        return re.compile("|".join([*names, *(f"(?<![A-Z]){of_service(name)}" for name in self.without)]))

    @cached_property
    def named(self) -> re.Pattern[str]:
        return re.compile("|".join([self.pattern.pattern, *map(of_engine, self.without_engines)]))

    def names(self, text: str) -> bool:
        """Whether a text names a service or an engine that is left out."""
        return bool(self.named.search(text))


def own(name: str) -> str:
    """`django`, but not the beginning of `django-asgi`."""
    return rf"(?<![\w.-])(?<!apps/)(?<!static/){re.escape(name)}(?!-asgi)(?![\w.])"


def of_service(name: str) -> str:
    """`DJANGO_`, but not the beginning of `DJANGO_ASGI_`; and whole, at the end of a name."""
    return rf"{prefix(name)}(?!_ASGI)(?![A-Z])"


def of_engine(name: str) -> str:
    """`swarm` and `deploy/swarm`; not `/locust/swarm`, nor /run/systemd of the machine."""
    return rf"(?<![\w./-]){name}(?![\w.-])|deploy[./](engines[./])?{name}(?!\w)"


def services(value: str) -> tuple[str, ...]:
    return chosen("APPS", value, SERVICES, "application")


def engines(value: str | None) -> tuple[str, ...]:
    """All where none is named."""
    named = chosen("ENGINES", value, ENGINES, "engine") if value else ENGINES
    return tuple(name for name in ENGINES if name in (*ALWAYS, *named))


def chosen(word: str, value: str, table: tuple[str, ...], noun: str) -> tuple[str, ...]:
    """In the order of the table, each once."""
    given = {name.strip() for name in value.split(",") if name.strip()}
    wrong = sorted(given - set(table))
    if wrong:
        raise Refused(f"{word}={value!r}: {wrong[0]!r} is unknown; choose from {', '.join(table)}")
    if not given:
        raise Refused(f"{word}={value!r} names no {noun}; choose from {', '.join(table)}")
    return tuple(name for name in table if name in given)
