"""Every variable of the stack: name, default, how it is read, and a sentence of help.

`.env.example`, the documentation and the tests are held to this table.
"""

import ipaddress
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from difflib import get_close_matches

SERVICES = ("flask", "django", "django-asgi", "fastapi")
DJANGO: tuple[str, ...] = ("django", "django-asgi")  # one project: its release has the migrations and the static files
ENGINES = ("auto", "compose", "native", "swarm", "systemd")
STAGES = ("local", "production")
LOG_LEVELS = ("debug", "info", "warning", "error", "critical")
MOST_REPLICAS = 64
UNITS = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3}


@dataclass(frozen=True)
class Variable:
    name: str
    default: str
    parse: Callable[[str], object]
    help: str
    app: bool = False  # handed to the applications, which check it themselves


def prefix(service: str) -> str:
    """`django-asgi` -> `DJANGO_ASGI`, what the service's own variables begin with."""
    return service.upper().replace("-", "_")


def everywhere(name: str) -> tuple[str, ...]:
    """A variable of all services, and each service's own."""
    return (name, *(f"{prefix(service)}_{name}" for service in SERVICES))


def one_of(*choices: str) -> Callable[[str], str]:
    def parse(value: str) -> str:
        if value not in choices:
            raise ValueError(f"is unknown; choose from {', '.join(choices)}")
        return value

    return parse


def number(low: int, high: int, noun: str) -> Callable[[str], int]:
    def parse(value: str) -> int:
        if not re.fullmatch(r"[0-9]{1,18}", value) or not low <= int(value) <= high:
            raise ValueError(f"is not {noun}; choose from {low} to {high}")
        return int(value)

    return parse


def shaped(pattern: str, noun: str) -> Callable[[str], str]:
    def parse(value: str) -> str:
        if not re.fullmatch(pattern, value, re.A):
            raise ValueError(f"is not {noun}")
        return value

    return parse


def above_zero(noun: str) -> Callable[[str], str]:
    def parse(value: str) -> str:
        if not re.fullmatch(r"\d{1,7}(\.\d{1,6})?", value, re.A) or not float(value):
            raise ValueError(f"is not {noun}")
        return value

    return parse


def switch(value: str) -> bool:
    if value not in ("0", "1"):
        raise ValueError("is not a switch; choose from 0, 1")
    return value == "1"


def size(value: str) -> int:
    match = re.fullmatch(r"([0-9]{1,15})([kmg]?)", value.lower())
    if not match or int(match[1]) == 0:
        raise ValueError("is not a size; write bytes, or a number with k, m or g such as 512m")
    return int(match[1]) * UNITS[match[2]]


def address(value: str) -> str:
    try:
        return str(ipaddress.ip_address(value.strip("[]")))
    except ValueError:
        raise ValueError("is not an IP address; choose 127.0.0.1, 0.0.0.0 or another") from None


def networks(value: str) -> tuple[str, ...]:
    """Addresses and CIDRs, separated by commas or spaces."""
    return tuple(map(network, value.replace(",", " ").split()))


def network(value: str) -> str:
    try:
        return str(ipaddress.ip_network(value, strict=False))
    except ValueError:
        raise ValueError(f"holds {value!r}, which is no address and no network; write such as 10.0.0.0/8") from None


def proxies(value: str) -> tuple[str, ...]:
    found = networks(value)
    if any(each.endswith("/0") for each in found):
        raise ValueError("trusts everybody, who could then claim to be anybody; name the networks of your proxies")
    return found


def project(value: str) -> str:
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,62}", value):
        raise ValueError("is not a project name; use a-z, 0-9, - and _ such as ponte")
    return value


def names(value: str) -> tuple[str, ...]:
    wrong = [name for name in value.split() if not re.fullmatch(r"[A-Za-z0-9.:*_\[\]-]+", name)]
    if wrong:
        raise ValueError(f"holds {wrong[0]!r}, which is no host name; separate names by spaces")
    return tuple(value.split())


def release(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}", value):
        raise ValueError("is not a release; use letters, digits, dot, - and _ such as 2026-11-21")
    return value


def registry(value: str) -> str:
    if value and not re.fullmatch(r"[a-z0-9.-]+(:[0-9]{1,5})?(/[a-z0-9._-]+)*", value):
        raise ValueError("is no registry; write HOST, HOST:PORT or HOST/FOLDER, in lower case and without https://")
    return value


def text(value: str) -> str:
    return value


port = number(1, 65535, "a port")
limit = number(0, 100_000, "a limit")
replicas = number(1, MOST_REPLICAS, "a replica count")

STACK = (
    Variable("ENGINE", "auto", one_of(*ENGINES), "what runs the stack"),
    Variable("STAGE", "local", one_of(*STAGES), "what the stack is for"),
    Variable("DEV", "0", switch, "1 reloads the apps when a file changes"),
    Variable("COMPOSE_PROJECT_NAME", "ponte", project, "name of this stack among others"),
    Variable("BIND_ADDRESS", "127.0.0.1", address, "address the edge listens on"),
    Variable("HTTP_PORT", "8080", port, "port of the edge"),
    Variable("HTTPS_PORT", "8443", port, "port of the edge for HTTPS"),
    Variable("HTTP3", "0", switch, "1 speaks HTTP/3 on HTTPS_PORT over UDP"),
    Variable("LOCUST_PORT", "8089", port, "port of the Locust UI"),
    Variable("SERVER_NAMES", "localhost 127.0.0.1 [::1] nginx", names, "hosts the edge answers"),
    Variable("TLS_CERT", "", text, "certificate of your own, with its chain"),
    Variable("TLS_KEY", "", text, "the key of TLS_CERT"),
    Variable("HTTPS_REDIRECT", "0", switch, "1 leads http:// to https://"),
    Variable("HSTS", "0", switch, "1 tells browsers to come by HTTPS only"),
    Variable("TRUSTED_PROXIES", "", proxies, "load balancers in front whose word counts"),
    Variable("RATE_LIMIT", "0", limit, "requests a second of one client"),
    Variable("CONNECTION_LIMIT", "0", limit, "requests of one client under way"),
    Variable("LIMIT_EXEMPT", "", networks, "clients that are never counted"),
    Variable("AUTH_USERS_FILE", "", text, "names and passwords for reports and Locust"),
    Variable("REGISTRY", "", registry, "where images are put, for other machines"),
    Variable("CA_BUNDLE", "", text, "certificates pip trusts while images are built"),
    Variable("NGINX_BIN", "", text, "the nginx to run natively"),
    Variable("PG_BIN", "", text, "folder of the PostgreSQL programs to run natively"),
    *(Variable(f"{prefix(name)}_REPLICAS", "2", replicas, f"replicas of {name}") for name in SERVICES),
)

# Checked by the launcher (`python -m serve SERVICE --check`), the one place that knows servers.
PER_SERVICE = (
    Variable("SERVER", "", text, "the server in front of the framework", app=True),
    Variable("WEB_CONCURRENCY", "", text, "workers of one replica", app=True),
    Variable("THREADS", "8", text, "threads of one worker", app=True),
    Variable("DATABASE_POOL", "4", text, "database connections of one process", app=True),
    Variable("UPSTREAM_HTTP2", "0", text, "1 speaks HTTP/2 from the edge to the server", app=True),
)

APPS = (
    Variable("MAX_UPLOAD", "1g", size, "largest body of /digest", app=True),
    Variable("LOG_LEVEL", "info", one_of(*LOG_LEVELS), "least level that is logged", app=True),
    Variable("ACCESS_LOG", "0", switch, "1 lets the apps log every request", app=True),
    Variable("RELEASE", "dev", release, "name of what runs", app=True),
    Variable("FORWARDED_ALLOW_IPS", "", text, "proxies whose headers apps believe", app=True),
    Variable("GRACEFUL_TIMEOUT", "35", number(1, 3600, "seconds"), "time to finish", app=True),
    Variable("KEEPALIVE", "75", number(1, 3600, "seconds"), "idle time of connections", app=True),
    Variable("DATABASE_URL", "", text, "a PostgreSQL of your own", app=True),
    Variable("DATABASE_URL_FILE", "", text, "file that holds DATABASE_URL", app=True),
    Variable("SECRET_KEY", "", text, "signs the sessions", app=True),
    Variable("SECRET_KEY_FILE", "", text, "file that holds SECRET_KEY", app=True),
    *PER_SERVICE,
    *(
        Variable(f"{prefix(name)}_{each.name}", "", text, f"{each.help}, {name} only", app=True)
        for name in SERVICES
        for each in PER_SERVICE
    ),
)

# With STAGE=production these begin differently.
PRODUCTION = {"HTTPS_REDIRECT": "1", "HSTS": "1", "RATE_LIMIT": "50", "CONNECTION_LIMIT": "50"}

VARIABLES = {each.name: each for each in (*STACK, *APPS)}


def unknown(names: Iterable[str]) -> dict[str, str]:
    """Names that look like ours and are not -> what was probably meant."""
    near = {name: get_close_matches(name, VARIABLES, 1, 0.85) for name in names if name not in VARIABLES}
    return {name: found[0] for name, found in near.items() if found}
