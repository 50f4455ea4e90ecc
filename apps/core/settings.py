"""The environment of a replica, read once: `Settings.from_env(os.environ, "flask")`.

Standard library only, so that the launcher can check a configuration before anything is installed.
"""

import ipaddress
import re
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True)
class Service:
    """One application under one interface: where its code lies and which port it has by default."""

    framework: str
    interface: str
    folder: str
    app: str
    port: int


SERVICES = {
    "flask": Service("flask", "wsgi", "flask", "app:app", 8001),
    "django": Service("django", "wsgi", "django", "wsgi:app", 8002),
    "django-asgi": Service("django", "asgi", "django", "asgi:app", 8003),
    "fastapi": Service("fastapi", "asgi", "fastapi", "app:app", 8004),
}
BARE = "bare"  # no framework
# What only the matrix starts, each with the part of the contract that needs no database.
FRAMEWORKS = {
    "starlette": Service("starlette", "asgi", "starlette", "app:app", 8011),
    "quart": Service("quart", "asgi", "quart", "app:app", 8012),
    "blacksheep": Service("blacksheep", "asgi", "blacksheep", "app:app", 8013),
    "bottle": Service("bottle", "wsgi", "bottle", "app:app", 8014),
    "pyramid": Service("pyramid", "wsgi", "pyramid", "app:app", 8015),
    "bare-wsgi": Service(BARE, "wsgi", "bare_wsgi", "app:app", 8016),
    "bare-asgi": Service(BARE, "asgi", "bare_asgi", "app:app", 8017),
}
KNOWN = SERVICES | FRAMEWORKS
LOG_LEVELS = ("debug", "info", "warning", "error", "critical")
KIB, MIB, GIB = 1024, 1024**2, 1024**3


class Invalid(ValueError):
    """A variable has a value that cannot be used; the text is the sentence a user reads."""


def whole(low: int, high: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not re.fullmatch("[0-9]{1,18}", text) or not low <= int(text) <= high:
            raise Invalid(f"is not a whole number from {low} to {high}")
        return int(text)

    return parse


def size(text: str) -> int:
    """'512k', '10m', '1g' or plain bytes, as nginx writes sizes."""
    match = re.fullmatch("([0-9]{1,12})([kmg]?)", text.lower())
    if not match or int(match[1]) == 0:
        raise Invalid("is not a size such as 10m or 1g")
    return int(match[1]) * {"": 1, "k": KIB, "m": MIB, "g": GIB}[match[2]]


def switch(text: str) -> bool:
    if text not in ("0", "1"):
        raise Invalid("is not a switch; choose from 0, 1")
    return text == "1"


def one_of(*choices: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in choices:
            raise Invalid(f"is unknown; choose from {', '.join(choices)}")
        return text

    return parse


def networks(text: str) -> tuple[Network, ...]:
    try:
        return tuple(ipaddress.ip_network(part.strip(), strict=False) for part in text.split(","))
    except ValueError as error:
        raise Invalid("is not a list of addresses or CIDRs, such as 127.0.0.1,10.0.0.0/8") from error


def postgres_url(text: str) -> str:
    if not text.startswith(("postgresql://", "postgres://")):
        raise Invalid("is not a postgresql:// address")
    return text


# name -> (parser, default); a name in PER_SERVICE may also be given as FLASK_NAME, DJANGO_ASGI_NAME, ...
VARIABLES: dict[str, tuple[Callable[[str], Any], str | None]] = {
    "SERVER": (str, None),
    "WEB_CONCURRENCY": (whole(1, 256), None),
    "THREADS": (whole(1, 512), "8"),
    "DATABASE_POOL": (whole(1, 100), "4"),
    "UPSTREAM_HTTP2": (switch, "0"),
    "DATABASE_URL": (postgres_url, None),
    "SECRET_KEY": (str, None),
    "FORWARDED_ALLOW_IPS": (networks, "127.0.0.1,::1"),
    "LOG_LEVEL": (one_of(*LOG_LEVELS), "info"),
    "ACCESS_LOG": (switch, "0"),
    "RELEASE": (str, "dev"),
    "REPLICA": (str, None),
    "MAX_UPLOAD": (size, "1g"),
    "GRACEFUL_TIMEOUT": (whole(1, 3600), "35"),
    "KEEPALIVE": (whole(1, 3600), "75"),
    "DEV": (switch, "0"),
}
PER_SERVICE = ("SERVER", "WEB_CONCURRENCY", "THREADS", "DATABASE_POOL", "UPSTREAM_HTTP2")
SECRETS = ("DATABASE_URL", "SECRET_KEY", "DATABASE_PASSWORD")


@dataclass(frozen=True)
class Settings:
    """What one replica runs with; times in seconds, sizes in bytes, None = the launcher chooses."""

    service: str
    server: str | None
    web_concurrency: int | None
    threads: int
    database_pool: int
    upstream_http2: bool
    database_url: str | None
    database_password: str | None
    secret_key: str | None
    forwarded_allow_ips: tuple[Network, ...]
    log_level: str
    access_log: bool
    release: str
    replica: str
    max_upload: int
    graceful_timeout: int
    keepalive: int
    dev: bool

    @property
    def about(self) -> Service:
        return KNOWN[self.service]

    @classmethod
    def from_env(cls, environ: Mapping[str, str], service: str) -> "Settings":
        """Raises Invalid with one sentence that quotes the wrong value."""
        if service not in KNOWN:
            more = f"or of the matrix {', '.join(FRAMEWORKS)}"
            raise Invalid(f"service {service!r} is unknown; choose from {', '.join(SERVICES)}, {more}")
        values = {name.lower(): value(environ, service, name) for name in VARIABLES}
        values["replica"] = values["replica"] or socket.gethostname()
        return cls(service=service, database_password=secret(environ, "DATABASE_PASSWORD"), **values)


def value(environ: Mapping[str, str], service: str, name: str) -> Any:
    parse, default = VARIABLES[name]
    source = variable(environ, service, name)
    text = (secret(environ, name) if name in SECRETS else environ.get(source)) or default
    try:
        return None if text is None else parse(text)
    except Invalid as error:
        # A secret is never quoted: this line ends up in logs.
        raise Invalid(f"{source} {error}" if name in SECRETS else f"{source}={text!r} {error}") from error


def variable(environ: Mapping[str, str], service: str, name: str) -> str:
    """The variable that decides: the service's own or that of all; an empty one counts as unset."""
    own = f"{service.upper().replace('-', '_')}_{name}"
    return own if name in PER_SERVICE and environ.get(own) else name


def secret(environ: Mapping[str, str], name: str) -> str | None:
    """NAME_FILE before NAME: a file does not show up in `docker inspect` or /proc/PID/environ."""
    path = environ.get(f"{name}_FILE")
    if not path:
        return environ.get(name) or None
    try:
        return Path(path).read_text().strip() or None
    except OSError as error:
        raise Invalid(f"{name}_FILE={path!r} cannot be read: {error.strerror}") from error
