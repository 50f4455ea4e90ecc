"""The launcher's decisions, as whole command lines."""

import subprocess
import sys
from pathlib import Path

import pytest
from core.settings import FRAMEWORKS, KNOWN, MIB, SERVICES, Service, Settings
from serve import __main__ as launcher
from serve import commands, servers, workers
from serve.cgroup import Limits, limits

from tests.contract import ROOT

PYTHON = Path(sys.executable)


def line(service: str, workers: int = 2, shared_memory: str | None = None, **environ: str) -> str:
    settings = Settings.from_env({"REPLICA": "r"} | environ, service)
    name = settings.server or servers.DEFAULTS[settings.about.interface]
    launch = commands.Launch(settings, "127.0.0.1", 8001, workers, shared_memory)
    return " ".join(servers.SERVERS[name].command(launch)).removeprefix(f"{PYTHON} -m ")


GUNICORN = (
    "gunicorn app:app --config python:serve.gunicorn --bind 127.0.0.1:8001 --worker-class {worker_class} --workers 2"
    " --threads {threads} --timeout 60 --graceful-timeout 35 --keep-alive 75 --backlog 512 --limit-request-line 8190"
    " --limit-request-fields 120 --http-parser python --no-control-socket --forwarded-allow-ips 127.255.255.255"
    "{more} --log-level info --limit-request-field_size 16380"
)
UVICORN = (
    "serve.uvicorn app:app --host 127.0.0.1 --port 8001{workers} --loop uvloop --http httptools --ws websockets-sansio"
    " --ws-max-size 16777216 --timeout-keep-alive 75 --timeout-graceful-shutdown 35 --backlog 512 --no-proxy-headers"
    " --no-server-header --no-access-log --log-level info{more}"
)


def test_flask_is_served_by_the_draining_worker() -> None:
    assert line("flask") == GUNICORN.format(worker_class="serve.gthread.DrainingWorker", threads=8, more="")


def test_heartbeats_are_kept_in_memory_where_there_is_a_folder_for_it() -> None:
    expected = GUNICORN.format(
        worker_class="serve.gthread.DrainingWorker", threads=8, more=" --worker-tmp-dir /dev/shm"
    )

    assert line("flask", shared_memory="/dev/shm") == expected


def test_sync_worker_has_one_thread_whatever_is_asked_for() -> None:
    assert line("flask", SERVER="gunicorn-sync", THREADS="4") == GUNICORN.format(
        worker_class="sync", threads=1, more=""
    )


def test_fastapi_is_served_by_lingering_uvicorn() -> None:
    assert line("fastapi", workers=1) == UVICORN.format(workers=" --workers 1", more="")


def test_development_reloads_and_runs_one_process() -> None:
    assert line("fastapi", DEV="1") == UVICORN.format(workers="", more=" --reload")


def test_a_variable_of_the_service_comes_before_that_of_all() -> None:
    assert "--threads 3 " in line("flask", THREADS="5", FLASK_THREADS="3", DJANGO_THREADS="4")
    assert "--threads 5 " in line("flask", THREADS="5", FLASK_THREADS="")


WSGI = "gunicorn, gunicorn-sync, gunicorn-gevent, granian, uwsgi, mod_wsgi, waitress, uvicorn-a2wsgi"
ASGI = "uvicorn, gunicorn-asgi, granian, hypercorn, daphne, gunicorn-a2wsgi"


def serve(*words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    command = [PYTHON, "-m", "serve", *words]
    return subprocess.run(command, cwd=ROOT / "apps", env=environ, capture_output=True, text=True)


@pytest.mark.parametrize(
    ("service", "environ", "sentence"),
    [
        (
            "flask",
            {"FLASK_SERVER": "gunicron"},
            f"FLASK_SERVER='gunicron' is unknown; choose from {WSGI}",
        ),
        (
            "fastapi",
            {"SERVER": "gunicorn"},
            "SERVER='gunicorn' does not serve ASGI, which fastapi is; "
            f"gunicorn-a2wsgi puts an adapter between; choose from {ASGI}",
        ),
        (
            "flask",
            {"SERVER": "uvicorn"},
            "SERVER='uvicorn' does not serve WSGI, which flask is; "
            f"uvicorn-a2wsgi puts an adapter between; choose from {WSGI}",
        ),
        (
            "flask",
            {"SERVER": "daphne"},
            f"SERVER='daphne' does not serve WSGI, which flask is; choose from {WSGI}",
        ),
        (
            "flask",
            {"SERVER": "wsgiref"},
            f"SERVER='wsgiref' is a reference for the matrix and carries no stack; choose from {WSGI}",
        ),
        (
            "fastapi",
            {"UPSTREAM_HTTP2": "0", "FASTAPI_UPSTREAM_HTTP2": "1"},
            "FASTAPI_UPSTREAM_HTTP2=1 needs a server that takes HTTP/2 from the edge, which uvicorn does not; choose granian",
        ),
        (
            "flask",
            {"FLASK_SERVER": "gunicorn-gevent", "UPSTREAM_HTTP2": "1"},
            "UPSTREAM_HTTP2=1 needs a server that takes HTTP/2 from the edge, which gunicorn-gevent does not; choose granian",
        ),
        ("flask", {"UPSTREAM_HTTP2": "2"}, "UPSTREAM_HTTP2='2' is not a switch; choose from 0, 1"),
        ("flask", {"THREADS": "0"}, "THREADS='0' is not a whole number from 1 to 512"),
        ("flask", {"WEB_CONCURRENCY": "two"}, "WEB_CONCURRENCY='two' is not a whole number from 1 to 256"),
        ("flask", {"ACCESS_LOG": "yes"}, "ACCESS_LOG='yes' is not a switch; choose from 0, 1"),
        ("flask", {"MAX_UPLOAD": "lots"}, "MAX_UPLOAD='lots' is not a size such as 10m or 1g"),
        (
            "flask",
            {"LOG_LEVEL": "loud"},
            "LOG_LEVEL='loud' is unknown; choose from debug, info, warning, error, critical",
        ),
        ("flask", {"SECRET_KEY_FILE": "/none"}, "SECRET_KEY_FILE='/none' cannot be read: No such file or directory"),
        (
            "flsk",
            {},
            "service 'flsk' is unknown; choose from flask, django, django-asgi, fastapi, or of the matrix starlette,"
            " quart, blacksheep, bottle, pyramid, bare-wsgi, bare-asgi",
        ),
        (
            "bottle",
            {"BOTTLE_SERVER": "uvicorn"},
            "BOTTLE_SERVER='uvicorn' does not serve WSGI, which bottle is; "
            f"uvicorn-a2wsgi puts an adapter between; choose from {WSGI}",
        ),
    ],
)
def test_a_wrong_value_is_one_line_that_quotes_it(service: str, environ: dict[str, str], sentence: str) -> None:
    answer = serve(service, "--check", **environ)

    assert (answer.returncode, answer.stdout, answer.stderr) == (2, "", f"serve: {sentence}\n")


def test_a_secret_is_never_quoted() -> None:
    answer = serve("flask", "--check", DATABASE_URL="mysql://root:hunter2@db/x")

    assert answer.stderr == "serve: DATABASE_URL is not a postgresql:// address\n"


def test_nothing_starts_without_a_database_and_a_secret() -> None:
    answer = serve("flask", SECRET_KEY="x")

    assert (answer.returncode, answer.stderr) == (
        2,
        "serve: DATABASE_URL is not set: set DATABASE_URL or DATABASE_URL_FILE\n",
    )


def test_frameworks_stand_beside_the_services_and_need_neither() -> None:
    table = launcher.table()

    assert (set(table["services"]), set(table["frameworks"])) == (set(SERVICES), set(FRAMEWORKS))
    assert len({about.port for about in KNOWN.values()}) == len(SERVICES) + len(FRAMEWORKS)
    assert serve("bottle", "--check").returncode == 0


@pytest.mark.parametrize("name", KNOWN)
def test_no_folder_hides_the_framework_it_is_named_like(name: str) -> None:
    assert launcher.found(KNOWN[name])
    assert not (launcher.APPS / KNOWN[name].folder / "__init__.py").exists()


def test_a_folder_is_not_taken_for_the_framework_that_is_missing() -> None:
    assert not launcher.found(Service("matrix", "wsgi", "matrix", "app:app", 1))


def group(tmp_path: Path, membership: str, **files: str) -> Limits:
    for name, content in files.items():
        path = tmp_path / "fs" / name.replace("__", "/").replace("_DOT_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    (tmp_path / "self").write_text(membership)
    return limits(tmp_path / "fs", tmp_path / "self", affinity=16)


def test_cpu_and_memory_are_read_from_cgroup_v2(tmp_path: Path) -> None:
    found = group(tmp_path, "0::/", cpu_DOT_max="150000 100000", memory_DOT_max=str(512 * MIB))

    assert found == Limits(1.5, "cgroup v2 cpu.max", 512 * MIB, "cgroup v2 memory.max")


def test_the_tightest_limit_above_a_group_counts(tmp_path: Path) -> None:
    found = group(tmp_path, "0::/user/app", user__cpu_DOT_max="200000 100000", user__app__cpu_DOT_max="max 100000")

    assert (found.cpus, found.memory) == (2, None)


def test_cpu_and_memory_are_read_from_cgroup_v1(tmp_path: Path) -> None:
    files = {"cpu__cpu.cfs_quota_us": "400000", "cpu__cpu.cfs_period_us": "100000"}
    files["memory__memory.limit_in_bytes"] = str(256 * MIB)
    found = group(tmp_path, "4:memory:/docker/1\n3:cpu,cpuacct:/docker/1\n", **files)

    assert found == Limits(4, "cgroup v1 cpu.cfs_quota_us", 256 * MIB, "cgroup v1 memory.limit_in_bytes")


def test_no_limit_is_the_affinity(tmp_path: Path) -> None:
    files = {"cpu__cpu.cfs_quota_us": "-1", "memory__memory.limit_in_bytes": "9223372036854771712"}
    found = group(tmp_path, "4:memory:/\n3:cpu:/\n", **files)

    assert found == Limits(16, "CPU affinity")


@pytest.mark.parametrize(
    ("limit", "number"),
    [(Limits(1.5, "q"), 2), (Limits(0.25, "q"), 1), (Limits(64, "a"), 8), (Limits(4, "a", 256 * MIB, "m"), 2)],
)
def test_workers_follow_cpus_within_memory(limit: Limits, number: int) -> None:
    assert workers.choose(None, True, limit)[0] == number


def test_the_number_of_workers_says_why() -> None:
    assert workers.choose(None, True, Limits(2, "cgroup v2 cpu.max", 1024 * MIB, "cgroup v2 memory.max")) == (
        2,
        "workers 2: one for each of 2 CPUs (cgroup v2 cpu.max), 128 MiB each of 1024 MiB (cgroup v2 memory.max), at most 8",
    )
    assert workers.choose(3, True, Limits(2, "q")) == (3, "workers 3: WEB_CONCURRENCY says so")
    assert workers.choose(None, False, Limits(2, "q"))[1] == "workers 1: one event loop a replica; scale by replicas"


def test_an_empty_variable_is_unset_for_the_server_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEB_CONCURRENCY", "")

    assert "WEB_CONCURRENCY" not in launcher.environment(Settings.from_env({"REPLICA": "r"}, "flask"))
