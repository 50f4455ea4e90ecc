"""`python -m serve SERVICE`: read the environment, choose workers, print the command, become it."""

import argparse
import dataclasses
import importlib.util
import json
import os
import shlex
import sys
import tempfile
from pathlib import Path
from typing import NoReturn

from core.settings import BARE, FRAMEWORKS, KNOWN, SERVICES, Invalid, Service, Settings, variable

from serve import cgroup, workers
from serve.commands import Launch
from serve.servers import DEFAULTS, SERVERS, Server

APPS = Path(__file__).resolve().parent.parent
SHARED_MEMORY = "/dev/shm"


def main() -> None:
    options = parse(sys.argv[1:])
    if options.table:
        return print(json.dumps(table()))
    try:
        launch, server, reason = plan(options)
        if options.check:
            return print(shlex.join(server.command(launch)))
        start(launch, server, reason)
    except Invalid as error:
        stop(str(error))


def parse(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="serve", description="Start the server of one replica.")
    parser.add_argument("service", nargs="?", default="", help=", ".join(KNOWN))
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, help="port to listen on (default: the service's own)")
    parser.add_argument("--check", action="store_true", help="print the command and do not run it")
    parser.add_argument(
        "--matrix", action="store_true", help="take a server that is a reference in the matrix only, too"
    )
    parser.add_argument("--table", action="store_true", help="print services and servers as JSON")
    return parser.parse_args(words)


def table() -> dict[str, object]:
    servers = {name: row(server) for name, server in SERVERS.items()}
    return {"services": described(SERVICES), "frameworks": described(FRAMEWORKS), "servers": servers}


def described(services: dict[str, Service]) -> dict[str, object]:
    return {
        name: dataclasses.asdict(about) | {"default": DEFAULTS[about.interface]} for name, about in services.items()
    }


def row(server: Server) -> dict[str, object]:
    told = {each.name: getattr(server, each.name) for each in dataclasses.fields(server) if each.name != "command"}
    return told | {"installed": installed(server)}


def plan(options: argparse.Namespace) -> tuple[Launch, Server, str]:
    settings = Settings.from_env(os.environ, options.service)
    name = settings.server or DEFAULTS[settings.about.interface]
    server = choose(name, settings, options.matrix)
    refuse_http1(name, server, settings)
    settings = dataclasses.replace(settings, server=name)
    number, reason = workers.choose(settings.web_concurrency, server.per_cpu, cgroup.read())
    shared_memory = SHARED_MEMORY if os.access(SHARED_MEMORY, os.W_OK) else None
    return Launch(settings, options.host, options.port or settings.about.port, number, shared_memory), server, reason


def choose(name: str, settings: Settings, matrix: bool = False) -> Server:
    given = f"{variable(os.environ, settings.service, 'SERVER')}={name!r}"
    interface = settings.about.interface
    fitting = {key: each for key, each in SERVERS.items() if interface in each.interfaces}
    choices = ", ".join(key for key, each in fitting.items() if not each.matrix_only)
    if name not in SERVERS:
        raise Invalid(f"{given} is unknown; choose from {choices}")
    if name not in fitting:
        wanted = f"{interface.upper()}, which {settings.service} is"
        crossing = next((key for key in fitting if key == f"{name}-a2wsgi"), "")
        bridge = f"; {crossing} puts an adapter between" if crossing else ""
        raise Invalid(f"{given} does not serve {wanted}{bridge}; choose from {choices}")
    if fitting[name].matrix_only and not matrix:
        raise Invalid(f"{given} is a reference for the matrix and carries no stack; choose from {choices}")
    return fitting[name]


def refuse_http1(name: str, server: Server, settings: Settings) -> None:
    """The edge would speak to it in what it does not understand, or does not stop in."""
    if settings.upstream_http2 and not server.upstream_http2:
        able = (key for key, each in SERVERS.items() if each.upstream_http2)
        fitting = ", ".join(key for key in able if settings.about.interface in SERVERS[key].interfaces)
        given = f"{variable(os.environ, settings.service, 'UPSTREAM_HTTP2')}=1"
        raise Invalid(
            f"{given} needs a server that takes HTTP/2 from the edge, which {name} does not; choose {fitting}"
        )


def installed(server: Server) -> bool:
    return importlib.util.find_spec(server.module) is not None


def found(about: Service) -> bool:
    """Whether its framework is installed. (!) Its folder is found by that name too, as a package without an origin."""
    spec = importlib.util.find_spec(about.framework)
    return about.framework == BARE or (spec is not None and spec.origin is not None)


def start(launch: Launch, server: Server, reason: str) -> None:
    settings = launch.settings
    if not installed(server):
        raise Invalid(missing(settings, server))
    for name in ("database_url", "secret_key"):
        if settings.service in SERVICES and not getattr(settings, name):
            raise Invalid(f"{name.upper()} is not set: set {name.upper()} or {name.upper()}_FILE")
    if settings.service in FRAMEWORKS and not found(settings.about):
        raise Invalid(f"{settings.about.framework} is not installed; install apps/matrix/requirements.txt")
    command = server.command(launch)
    print(
        f"serve: {settings.service}/{settings.replica}: {reason}", f"serve: {shlex.join(command)}", sep="\n", flush=True
    )
    os.execvpe(command[0], command, environment(settings))


def missing(settings: Settings, server: Server) -> str:
    given = f"{variable(os.environ, settings.service, 'SERVER')}={settings.server!r}"
    needs = f", which needs {server.program[0]} ({server.program[1]})" if server.program else ""
    return f"{given} is not installed; ./ponte up installs it, pip install -r {server.packages}/requirements.txt too{needs}"


def environment(settings: Settings) -> dict[str, str]:
    paths = [str(APPS), str(APPS / settings.about.folder)]
    own = {"SERVICE": settings.service, "SERVER": settings.server or "", "REPLICA": settings.replica}
    own |= {"GRACEFUL_TIMEOUT": str(settings.graceful_timeout)}  # read by modules of ours that stand before a server
    own |= {"PYTHONPATH": os.pathsep.join(paths), "PROMETHEUS_MULTIPROC_DIR": metrics_folder()}
    # An empty variable is unset, for the server's own reading too: Gunicorn fails on WEB_CONCURRENCY="".
    return {name: value for name, value in os.environ.items() if value} | own


def metrics_folder() -> str:
    """An empty folder for the counters of the workers, in memory where that is possible."""
    given = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    if not given:
        return tempfile.mkdtemp(
            prefix="ponte-metrics-", dir=SHARED_MEMORY if os.access(SHARED_MEMORY, os.W_OK) else None
        )
    Path(given).mkdir(parents=True, exist_ok=True)
    for counters in Path(given).glob("*.db"):
        counters.unlink()
    return given


def stop(sentence: str) -> NoReturn:
    print(f"serve: {sentence}", file=sys.stderr)
    sys.exit(2)


if __name__ == "__main__":
    main()
