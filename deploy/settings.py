"""The stack's settings: one frozen value, made once from words, environment, .env and defaults."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from deploy import dotenv
from deploy.errors import Answer, Failure, Refused, impossible
from deploy.variables import APPS, PRODUCTION, SERVICES, STACK, VARIABLES, prefix

__all__ = ["Answer", "Failure", "Refused", "Settings", "impossible", "load"]

ROOT = Path(__file__).resolve().parent.parent
LOOPBACK = ("localhost", "127.0.0.1", "[::1]", "nginx")


@dataclass(frozen=True)
class Settings:
    root: Path  # the checkout
    run: Path  # what this stack writes: .run, or PONTE_RUN
    given: Mapping[str, str]  # what somebody set, as written; defaults are not in it
    words: Mapping[str, str]  # the part of `given` that is not from .env
    engine: str
    stage: str
    dev: bool
    project: str
    bind_address: str
    http_port: int
    https_port: int
    http3: bool
    tls_cert: str
    tls_key: str
    https_redirect: bool
    hsts: bool
    trusted_proxies: tuple[str, ...]
    rate_limit: int
    connection_limit: int
    limit_exempt: tuple[str, ...]
    auth_users_file: str
    locust_port: int
    server_names: tuple[str, ...]
    max_upload: int
    release: str
    graceful_timeout: int
    registry: str
    ca_bundle: str
    nginx_bin: str
    pg_bin: str
    database_url: str
    database_url_file: str
    secret_key: str
    secret_key_file: str
    replicas: Mapping[str, int]

    def shown(self, path: Path) -> str:
        """As it can be typed in the checkout."""
        return str(path.relative_to(self.root)) if path.is_relative_to(self.root) else str(path)

    @property
    def url(self) -> str:
        """Where a browser on this machine finds the stack."""
        return f"http://{_host(self.bind_address)}:{self.http_port}"

    @property
    def https_url(self) -> str:
        return f"https://{_host(self.bind_address)}:{self.https_port}"

    def app(self, name: str, service: str) -> str:
        """An application's variable: the service's own value, else everybody's, else the default."""
        own = self.given.get(f"{prefix(service)}_{name}", "")
        return own or self.given.get(name, "") or VARIABLES[name].default

    @property
    def http2(self) -> frozenset[str]:
        """Services that the edge speaks HTTP/2 to."""
        return frozenset(name for name in SERVICES if self.app("UPSTREAM_HTTP2", name) == "1")

    def again(self, given: Mapping[str, str], words: Mapping[str, str]) -> "Settings":
        """The same checkout with the settings a stack was started with."""
        return build(merge(given), merge(words), self.root, self.run)

    @property
    def app_environment(self) -> dict[str, str]:
        """What was set for the applications, as written."""
        dev = {"DEV": "1"} if self.dev else {}
        return {each.name: self.given[each.name] for each in APPS if each.name in self.given} | dev


def load(words: Mapping[str, str], environ: Mapping[str, str], root: Path = ROOT) -> Settings:
    """Words win over the environment, that over .env, that over the defaults; empty is unset."""
    given = merge(dotenv.read(root / ".env"), environ, words)
    return build(given, merge(environ, words), root, root / (environ.get("PONTE_RUN") or ".run"))


def build(given: Mapping[str, str], words: Mapping[str, str], root: Path, run: Path) -> Settings:
    stage = PRODUCTION if given.get("STAGE") == "production" else {}
    beside = {"HTTPS_PORT": https_port(given["HTTP_PORT"])} if "HTTP_PORT" in given else {}
    values = {name: _parse(name, {**stage, **beside, **given}) for name in VARIABLES}
    return Settings(
        root=root,
        run=run,
        given=given,
        words=words,
        project=values["COMPOSE_PROJECT_NAME"],
        server_names=_server_names(values["SERVER_NAMES"], values["BIND_ADDRESS"]),
        replicas={name: values[f"{prefix(name)}_REPLICAS"] for name in SERVICES},
        **{field: values[field.upper()] for field in PLAIN},
    )


def https_port(http_port: str) -> str:
    """What goes with a port somebody chose, as 8443 with 8080 and 443 with 80."""
    return str(int(http_port) + 363) if http_port.isdecimal() and int(http_port) < 65000 else "8443"


PLAIN = tuple(
    each.name.lower()
    for each in (*STACK, *APPS)
    if each.name.lower() in Settings.__annotations__ and each.name != "SERVER_NAMES"
)


def merge(*layers: Mapping[str, str]) -> dict[str, str]:
    """Later layers win; only names of the table count, and an empty value means unset."""
    merged = {name: value for layer in layers for name, value in layer.items() if value.strip()}
    return {name: merged[name].strip() for name in VARIABLES if name in merged}


def _parse(name: str, given: Mapping[str, str]):
    variable = VARIABLES[name]
    value = given.get(name, variable.default)
    try:
        return variable.parse(value)
    except ValueError as error:
        raise Refused(f"{name}={value!r} {error}") from None


def _server_names(names: tuple[str, ...], bind_address: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*names, _host(bind_address))))


def _host(address: str) -> str:
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address, address)
    return f"[{host}]" if ":" in host else host
