"""What the launcher becomes: for every server a pure function from a Launch to its command line."""

import sys
from dataclasses import dataclass
from pathlib import Path

from core.settings import Settings

# The ladder, in seconds: GRACEFUL_TIMEOUT 35 < edge read timeout 60 = this < KEEPALIVE 75.
WORKER_TIMEOUT = 60
# Connections a replica queues before it accepts them; what is queued at a stop is still served.
BACKLOG = 512
# Open at a time, where a server has a limit: more than the edge ever has, so that the edge is the one that refuses.
CONNECTIONS = 10_000
# Of Apache, which makes a thread for each.
CLIENTS = 256
# The application closes above 1 MiB with 1009; the server's limit must not come first.
WEBSOCKET_LIMIT = 16 * 1024 * 1024
# The edge checks sizes (8 KiB a line, 100 headers) and adds some of its own.
HEADERS, HEADER_BYTES, HEAD_BYTES = 120, 16380, 64 * 1024
# Bodies are bounded by the application, with an answer in its own shape.
UNBOUNDED = 2**40
CROSSING = "serve.crossing:app"


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

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port}"


def flags(**options: object) -> list[str]:
    """flags(keep_alive=75, reload=True, backlog=None) == ["--keep-alive", "75", "--reload"]"""
    words: list[str] = []
    for name, value in options.items():
        if value is not None and value is not False:
            words += [f"--{name.replace('_', '-')}"] if value is True else [f"--{name.replace('_', '-')}", str(value)]
    return words


def python(module: str, *words: str) -> list[str]:
    return [sys.executable, "-m", module, *words]


def program(name: str, *words: str) -> list[str]:
    """One that came with a package, from beside this Python."""
    return [str(Path(sys.executable).with_name(name)), *words]


def gunicorn_with(worker_class: str, threads: int, launch: Launch, app: str | None = None) -> list[str]:
    settings = launch.settings
    common = flags(
        config="python:serve.gunicorn",
        bind=launch.address,
        worker_class=worker_class,
        workers=launch.workers,
        threads=threads,
        timeout=WORKER_TIMEOUT,
        graceful_timeout=settings.graceful_timeout,
        keep_alive=settings.keepalive,
        backlog=BACKLOG,
        limit_request_line=8190,
        limit_request_fields=HEADERS,
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
    return python("gunicorn", app or launch.app, *common, "--limit-request-field_size", str(HEADER_BYTES))


def gunicorn(launch: Launch) -> list[str]:
    return gunicorn_with("serve.gthread.DrainingWorker", launch.settings.threads, launch)


def gunicorn_sync(launch: Launch) -> list[str]:
    return gunicorn_with("sync", 1, launch)


def gunicorn_gevent(launch: Launch) -> list[str]:
    return [*gunicorn_with("gevent", 1, launch), *flags(worker_connections=CONNECTIONS)]


def gunicorn_asgi(launch: Launch) -> list[str]:
    return [*gunicorn_with("serve.gasgi.LeavingWorker", 1, launch), *flags(worker_connections=CONNECTIONS)]


def gunicorn_a2wsgi(launch: Launch) -> list[str]:
    return gunicorn_with("serve.gthread.DrainingWorker", launch.settings.threads, launch, CROSSING)


def uvicorn(launch: Launch) -> list[str]:
    return uvicorn_with(launch.app, launch)


def uvicorn_a2wsgi(launch: Launch) -> list[str]:
    return uvicorn_with(CROSSING, launch)


def uvicorn_with(app: str, launch: Launch) -> list[str]:
    settings = launch.settings
    options = flags(
        host=launch.host,
        port=launch.port,
        # (!) With --reload Uvicorn takes no --workers.
        workers=None if settings.dev else launch.workers,
        loop="uvloop",
        http="httptools",
        ws="websockets-sansio",
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
    return python("serve.uvicorn", app, *options)


def granian(launch: Launch) -> list[str]:
    settings = launch.settings
    wsgi = settings.about.interface == "wsgi"
    options = flags(
        interface=settings.about.interface,
        host=launch.host,
        port=launch.port,
        workers=launch.workers,
        blocking_threads=settings.threads if wsgi else None,
        loop="asyncio" if wsgi else "uvloop",
        backlog=BACKLOG,
        backpressure=CONNECTIONS,
        # (!) Idle connections too end with it. It cannot be more; the edge closes its own after 30 s.
        http1_header_read_timeout=60_000,
        http1_buffer_size=417_792,
        workers_kill_timeout=settings.graceful_timeout,
        # One that dies is replaced; one that dies at once ends Granian.
        respawn_failed_workers=True,
        log_level=settings.log_level,
        log_config=Path(__file__).with_name("granian.json"),
        no_access_log=True,
        reload=settings.dev,
    )
    return python("granian", "serve.granian:app" if wsgi else launch.app, *options)


def hypercorn(launch: Launch) -> list[str]:
    settings = launch.settings
    options = flags(
        bind=launch.address,
        # 0 is one worker in the process itself; with --reload it has to be another.
        workers=0 if launch.workers == 1 and not settings.dev else launch.workers,
        worker_class="uvloop",
        graceful_timeout=settings.graceful_timeout,
        keep_alive=settings.keepalive,
        backlog=BACKLOG,
        log_level=settings.log_level,
        reload=settings.dev,
    )
    return python("serve.hypercorn", launch.app, *options)


def daphne(launch: Launch) -> list[str]:
    never = "-1"
    words = ["--bind", launch.host, "--port", str(launch.port), "--verbosity", "0", "--no-server-name"]
    words += ["--websocket_timeout", never, "--websocket_connect_timeout", str(WORKER_TIMEOUT)]
    limits = flags(websocket_max_message_size=WEBSOCKET_LIMIT, websocket_max_frame_size=WEBSOCKET_LIMIT)
    return python("serve.daphne", launch.app, *words, *limits)


def uwsgi(launch: Launch) -> list[str]:
    settings = launch.settings
    options = flags(
        http_socket=launch.address,
        module="serve.uwsgi:app",
        processes=launch.workers,
        threads=settings.threads,
        enable_threads=True,
        master=True,
        single_interpreter=True,
        # Each worker loads the application itself: connections to the database do not survive a fork.
        lazy_apps=True,
        # An application that does not load ends uWSGI; it would go on without one and answer 500.
        need_app=True,
        strict=True,
        # SIGTERM means reload to uWSGI, or with --die-on-term a stop at once; this one finishes its requests.
        hook_master_start="unix_signal:15 gracefully_kill_them_all",
        worker_reload_mercy=settings.graceful_timeout,
        buffer_size=HEAD_BYTES - 1,
        # Seconds without a byte of a body; 4 by default.
        socket_timeout=WORKER_TIMEOUT,
        listen=BACKLOG,
        # It keeps no connection, and has to say so: the edge would send the next request on a closing one.
        add_header="Connection: close",
        disable_logging=True,
        py_autoreload=1 if settings.dev else None,
    )
    return program("uwsgi", *options)


def mod_wsgi(launch: Launch) -> list[str]:
    settings = launch.settings
    options = flags(
        application_type="module",
        entry_point="serve.express",
        callable_object="app",
        host=launch.host,
        port=launch.port,
        processes=launch.workers,
        threads=settings.threads,
        max_clients=CLIENTS,
        server_backlog=BACKLOG,
        keep_alive_timeout=settings.keepalive,
        shutdown_timeout=settings.graceful_timeout,
        socket_timeout=WORKER_TIMEOUT,
        # Without bounds: the application has its own, and a large upload takes its time.
        limit_request_body=0,
        request_timeout=0,
        chunked_request=True,
        map_head_to_get="OFF",
        log_to_terminal=True,
        # Apache's own "info" has lines for every process and start.
        log_level={"info": "warn", "warning": "warn", "critical": "crit"}.get(settings.log_level, settings.log_level),
        locale="C.UTF-8",
        **({"reload_on_changes": True} if settings.dev else {"disable_reloading": True}),
    )
    return python("serve.apache", *options)


def waitress(launch: Launch) -> list[str]:
    settings = launch.settings
    options = flags(
        host=launch.host,
        port=launch.port,
        threads=settings.threads,
        backlog=BACKLOG,
        connection_limit=CONNECTIONS,
        channel_timeout=settings.keepalive,
        max_request_header_size=HEAD_BYTES,
        max_request_body_size=UNBOUNDED,
        # Every part of an answer leaves when it is made.
        send_bytes=1,
        asyncore_use_poll=True,
        # Who they are from is what the edge says, and the application reads it.
        no_clear_untrusted_proxy_headers=True,
    )
    return python("serve.waitress", *options, launch.app)


def wsgiref(launch: Launch) -> list[str]:
    return python("serve.wsgiref", launch.app, *flags(host=launch.host, port=launch.port))


def tornado(launch: Launch) -> list[str]:
    options = flags(host=launch.host, port=launch.port, threads=launch.settings.threads)
    return python("serve.tornado", launch.app, *options)
