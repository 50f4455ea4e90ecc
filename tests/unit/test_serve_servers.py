"""Every server that can be chosen, as a whole command line, and the sentence for one that is not there."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from core.settings import SERVICES, Settings
from serve import commands
from serve.servers import APPS, SERVERS

from tests.contract import ROOT

PYTHON = Path(sys.executable)
SERVE = ROOT / "apps" / "serve"
GUNICORN = (
    "gunicorn {app} --config python:serve.gunicorn --bind 127.0.0.1:8001 --worker-class {worker_class} --workers 2"
    " --threads {threads} --timeout 60 --graceful-timeout 35 --keep-alive 75 --backlog 512 --limit-request-line 8190"
    " --limit-request-fields 120 --http-parser python --no-control-socket --forwarded-allow-ips 127.255.255.255"
    " --log-level info --limit-request-field_size 16380"
)
GRANIAN = (
    "granian {app} --interface {interface} --host 127.0.0.1 --port 8001 --workers 2{threads} --loop {loop}"
    " --backlog 512 --backpressure 10000 --http1-header-read-timeout 60000 --http1-buffer-size 417792"
    " --workers-kill-timeout 35 --respawn-failed-workers --log-level info --log-config {folder}/granian.json"
    " --no-access-log"
)
LINES = {
    ("flask", "gunicorn-gevent"): GUNICORN.format(app="app:app", worker_class="gevent", threads=1)
    + " --worker-connections 10000",
    ("fastapi", "gunicorn-asgi"): GUNICORN.format(app="app:app", worker_class="serve.gasgi.LeavingWorker", threads=1)
    + " --worker-connections 10000",
    ("fastapi", "gunicorn-a2wsgi"): GUNICORN.format(
        app="serve.crossing:app", worker_class="serve.gthread.DrainingWorker", threads=8
    ),
    ("flask", "uvicorn-a2wsgi"): (
        "serve.uvicorn serve.crossing:app --host 127.0.0.1 --port 8001 --workers 2 --loop uvloop --http httptools"
        " --ws websockets-sansio --ws-max-size 16777216 --timeout-keep-alive 75 --timeout-graceful-shutdown 35"
        " --backlog 512 --no-proxy-headers --no-server-header --no-access-log --log-level info"
    ),
    ("django", "granian"): GRANIAN.format(
        app="serve.granian:app", interface="wsgi", threads=" --blocking-threads 8", loop="asyncio", folder=SERVE
    ),
    ("fastapi", "granian"): GRANIAN.format(app="app:app", interface="asgi", threads="", loop="uvloop", folder=SERVE),
    ("fastapi", "hypercorn"): (
        "serve.hypercorn app:app --bind 127.0.0.1:8001 --workers 2 --worker-class uvloop --graceful-timeout 35"
        " --keep-alive 75 --backlog 512 --log-level info"
    ),
    ("django-asgi", "daphne"): (
        "serve.daphne asgi:app --bind 127.0.0.1 --port 8001 --verbosity 0 --no-server-name --websocket_timeout -1"
        " --websocket_connect_timeout 60 --websocket-max-message-size 16777216 --websocket-max-frame-size 16777216"
    ),
    ("flask", "uwsgi"): (
        "uwsgi --http-socket 127.0.0.1:8001 --module serve.uwsgi:app --processes 2 --threads 8 --enable-threads --master"
        " --single-interpreter --lazy-apps --need-app --strict"
        " --hook-master-start unix_signal:15 gracefully_kill_them_all --worker-reload-mercy 35 --buffer-size 65535"
        " --socket-timeout 60 --listen 512 --add-header Connection: close --disable-logging"
    ),
    ("flask", "mod_wsgi"): (
        "serve.apache --application-type module --entry-point serve.express --callable-object app --host 127.0.0.1 --port 8001"
        " --processes 2 --threads 8 --max-clients 256 --server-backlog 512 --keep-alive-timeout 75 --shutdown-timeout 35"
        " --socket-timeout 60 --limit-request-body 0 --request-timeout 0 --chunked-request --map-head-to-get OFF"
        " --log-to-terminal --log-level warn --locale C.UTF-8 --disable-reloading"
    ),
    ("flask", "waitress"): (
        "serve.waitress --host 127.0.0.1 --port 8001 --threads 8 --backlog 512 --connection-limit 10000"
        " --channel-timeout 75 --max-request-header-size 65536 --max-request-body-size 1099511627776 --send-bytes 1"
        " --asyncore-use-poll --no-clear-untrusted-proxy-headers app:app"
    ),
    ("flask", "wsgiref"): "serve.wsgiref app:app --host 127.0.0.1 --port 8001",
    ("flask", "tornado"): "serve.tornado app:app --host 127.0.0.1 --port 8001 --threads 8",
}
ELSEWHERE = {"gunicorn", "gunicorn-sync", "uvicorn"}  # in test_serve.py


def line(service: str, server: str, workers: int = 2, **environ: str) -> str:
    settings = Settings.from_env({"REPLICA": "r"} | environ, service)
    words = SERVERS[server].command(commands.Launch(settings, "127.0.0.1", 8001, workers))
    return " ".join(words).removeprefix(f"{PYTHON} -m ").removeprefix(f"{PYTHON.parent}/")


@pytest.mark.parametrize(("service", "server"), LINES, ids="-".join)
def test_the_command_line_of_a_server(service: str, server: str) -> None:
    assert line(service, server) == LINES[service, server]


def test_every_server_has_a_command_line_here() -> None:
    assert {server for _, server in LINES} | ELSEWHERE == set(SERVERS)


def test_one_worker_of_hypercorn_is_the_process_itself() -> None:
    assert " --workers 0 " in line("fastapi", "hypercorn", workers=1)
    assert " --workers 1 " in line("fastapi", "hypercorn", workers=1, DEV="1")


@pytest.mark.parametrize("server", SERVERS)
def test_settings_reach_every_server_that_has_a_word_for_them(server: str) -> None:
    service = "flask" if "wsgi" in SERVERS[server].interfaces else "fastapi"
    text = line(service, server, THREADS="3", KEEPALIVE="71", GRACEFUL_TIMEOUT="31")

    words = text.split()
    for name in ("--threads", "--blocking-threads"):
        assert name not in words or words[words.index(name) + 1] in ("3", "1"), text
    assert " 75" not in text and " 35" not in text, text


def test_a_service_has_a_server_beside_the_default_and_one_across() -> None:
    for service in SERVICES.values():
        fitting = [name for name, each in SERVERS.items() if service.interface in each.interfaces]

        assert len(fitting) > 3 and sum(name.endswith("-a2wsgi") for name in fitting) == 1


def test_what_does_not_come_with_the_applications_has_a_lock_file_of_its_own() -> None:
    for server in SERVERS.values():
        assert (ROOT / server.packages / "requirements.txt").exists()
    assert {name for name, each in SERVERS.items() if each.packages == APPS} == {
        "gunicorn", "gunicorn-sync", "gunicorn-asgi", "uvicorn", "wsgiref",
    }  # fmt: skip


def without_packages(*words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """-S: as on a machine where nothing is installed."""
    given = {"PYTHONPATH": str(ROOT / "apps"), "DATABASE_URL": "postgresql://h/d", "SECRET_KEY": "x"} | environ
    return subprocess.run([PYTHON, "-S", "-m", "serve", *words], env=given, capture_output=True, text=True)


@pytest.mark.parametrize(
    ("server", "needs"),
    [
        ("granian", "apps/serve/requirements.txt too"),
        (
            "mod_wsgi",
            "apps/serve/mod_wsgi/requirements.txt too, which needs apxs (apt install apache2-bin apache2-dev)",
        ),
    ],
)
def test_a_server_that_is_not_installed_is_one_sentence(server: str, needs: str) -> None:
    answer = without_packages("flask", FLASK_SERVER=server)
    sentence = f"serve: FLASK_SERVER={server!r} is not installed; ./ponte up installs it, pip install -r {needs}\n"

    assert (answer.returncode, answer.stdout, answer.stderr) == (2, "", sentence)


def test_the_table_says_what_is_installed_and_needs_nothing_for_it() -> None:
    answer = without_packages("--table")
    servers = json.loads(answer.stdout)["servers"]

    assert list(servers) == list(SERVERS)
    assert {name for name, each in servers.items() if each["installed"]} == {"wsgiref"}


FOREIGN = "import sys; print(*sorted(name for name, each in sys.modules.items() if 'site-packages' in str(each)))"


def test_the_launcher_starts_at_once_for_it_imports_the_standard_library_alone() -> None:
    launcher = "import sys; sys.argv = ['serve', 'flask', '--check']; from serve.__main__ import main; main()"

    assert imported(launcher) == imported("pass")


def imported(code: str) -> str:
    """Modules of packages, once this has run."""
    environ = {"PYTHONPATH": str(ROOT / "apps")}
    words = [PYTHON, "-c", f"{code}\n{FOREIGN}"]
    return subprocess.run(words, env=environ, capture_output=True, text=True, check=True).stdout.splitlines()[-1]
