"""The servers: the only place that knows one. Adding a server is one function and one line of SERVERS."""

import sys
from collections.abc import Callable
from dataclasses import dataclass

from core.settings import Settings

# The ladder, in seconds: GRACEFUL_TIMEOUT 35 < edge read timeout 60 = this < KEEPALIVE 75.
WORKER_TIMEOUT = 60
# Connections a replica queues before it accepts them; what is queued at a stop is still served.
BACKLOG = 512
WEBSOCKET_LIMIT = 16 * 1024 * 1024


@dataclass(frozen=True)
class Launch:
    """What a builder turns into a command; `shared_memory` is a folder in memory, or None."""

    settings: Settings
    host: str
    port: int
    workers: int
    shared_memory: str | None = None

    @property
    def app(self) -> str:
        return self.settings.about.app


def flags(**options: object) -> list[str]:
    """flags(keep_alive=75, reload=True, backlog=None) == ["--keep-alive", "75", "--reload"]"""
    words: list[str] = []
    for name, value in options.items():
        if value is not None and value is not False:
            words += [f"--{name.replace('_', '-')}"] if value is True else [f"--{name.replace('_', '-')}", str(value)]
    return words


def gunicorn_with(worker_class: str, threads: int, launch: Launch) -> list[str]:
    settings = launch.settings
    common = flags(
        config="python:serve.gunicorn",
        bind=f"{launch.host}:{launch.port}",
        worker_class=worker_class,
        workers=launch.workers,
        threads=threads,
        timeout=WORKER_TIMEOUT,
        graceful_timeout=settings.graceful_timeout,
        keep_alive=settings.keepalive,
        backlog=BACKLOG,
        # The edge checks sizes (8 KiB, 100 headers) and adds some of its own.
        limit_request_line=8190,
        limit_request_fields=120,
        # The C parser that can be installed today accepts bare LF and folded headers.
        http_parser="python",
        # Off: it would be created under the home directory, which a container cannot write.
        no_control_socket=True,
        # Off: one middleware in apps/core applies what the edge says, under every server alike.
        forwarded_allow_ips="127.255.255.255",
        worker_tmp_dir=launch.shared_memory,
        log_level=settings.log_level,
        reload=settings.dev,
    )
    return [sys.executable, "-m", "gunicorn", launch.app, *common, "--limit-request-field_size", "16380"]


def gunicorn(launch: Launch) -> list[str]:
    return gunicorn_with("serve.gthread.DrainingWorker", launch.settings.threads, launch)


def gunicorn_sync(launch: Launch) -> list[str]:
    return gunicorn_with("sync", 1, launch)


def uvicorn(launch: Launch) -> list[str]:
    settings = launch.settings
    return [sys.executable, "-m", "serve.uvicorn", launch.app] + flags(
        host=launch.host,
        port=launch.port,
        # (!) With --reload Uvicorn takes no --workers.
        workers=None if settings.dev else launch.workers,
        loop="uvloop",
        http="httptools",
        ws="websockets-sansio",
        # The application closes above 1 MiB with 1009; the server's limit must not come first.
        ws_max_size=WEBSOCKET_LIMIT,
        timeout_keep_alive=settings.keepalive,
        timeout_graceful_shutdown=settings.graceful_timeout,
        backlog=BACKLOG,
        no_proxy_headers=True,
        no_server_header=True,
        no_access_log=True,
        log_level=settings.log_level,
        reload=settings.dev,
    )


@dataclass(frozen=True)
class Server:
    """`module` must be installed; `per_cpu`: one worker for each CPU unless WEB_CONCURRENCY says otherwise."""

    interface: str
    module: str
    per_cpu: bool
    command: Callable[[Launch], list[str]]


SERVERS = {
    "gunicorn": Server("wsgi", "gunicorn", True, gunicorn),
    "gunicorn-sync": Server("wsgi", "gunicorn", True, gunicorn_sync),
    "uvicorn": Server("asgi", "uvicorn", False, uvicorn),
}
DEFAULTS = {"wsgi": "gunicorn", "asgi": "uvicorn"}
