"""The pure parts of the compose engine: what it reads from Docker, and what it makes of Docker's complaints."""

import io
import json
import tarfile
from pathlib import Path

import pytest

from deploy.compose import credentials, docker, listing
from deploy.compose.containers import Container, container, in_order
from deploy.compose.docker import Docker, ca_bundle, environment, sentence
from deploy.compose.edge import Edge, packed
from deploy.compose.input import demands
from deploy.compose.record import built
from deploy.console import Console
from deploy.errors import Refused
from deploy.settings import Settings, build

ROOT = Path(__file__).resolve().parents[2]


def settings(tmp_path: Path = ROOT, **given: str) -> Settings:
    return build(given, given, tmp_path, tmp_path / ".run")


def inspected(**changes) -> dict:
    labels = {
        "com.docker.compose.service": "django-asgi",
        "com.docker.compose.container-number": "2",
        "com.docker.compose.project.working_dir": "/srv/checkout",
    }
    config = {
        "Labels": labels,
        "Hostname": "0123456789ab",
        "Env": ["SERVER=", "DJANGO_ASGI_SERVER=uvicorn", "PATH=/bin:/usr/bin"],
        "Healthcheck": {"Test": ["CMD", "python", "probe.py", "8003"]},
        "StopTimeout": 45,
    }
    state = {"Status": "running", "ExitCode": 0, "StartedAt": "2026-11-21T10:00:00.123456789Z"}
    networks = {"ponte_edge": {"IPAddress": "172.20.0.7"}, "ponte_database": {"IPAddress": "172.21.0.7"}}
    return {
        "Id": "0123456789abcdef",
        "Config": config,
        "State": state | changes,
        "NetworkSettings": {"Networks": networks},
    }


def replica(service: str = "flask", number: int = 1, **changes) -> Container:
    found = inspected(**changes)
    found["Config"]["Labels"]["com.docker.compose.service"] = service
    found["Config"]["Labels"]["com.docker.compose.container-number"] = str(number)
    return container(found)


def test_a_container_is_read_from_what_docker_inspect_prints():
    found = container(json.loads(json.dumps(inspected())))

    assert (found.service, found.number, found.hostname) == ("django-asgi", 2, "0123456789ab")
    assert found.addresses == {"edge": "172.20.0.7", "database": "172.21.0.7"}
    assert (found.stop_seconds, found.folder, found.running) == (45, "/srv/checkout", True)


def test_a_container_that_never_started_has_no_start():
    assert container(inspected(Status="created", StartedAt="0001-01-01T00:00:00Z")).started == 0


def test_an_app_is_asked_for_readiness_and_others_for_their_health():
    assert container(inspected()).ready_check == ("python", "probe.py", "8003", "/readyz")
    assert replica("postgres").ready_check == ("python", "probe.py", "8003")


def test_a_services_own_setting_wins_and_an_empty_one_is_unset():
    assert container(inspected()).setting("SERVER") == "uvicorn"
    assert replica("flask").setting("SERVER") == ""


def test_containers_stand_in_the_order_of_a_request():
    found = in_order([replica("postgres"), replica("flask", 2), replica("flask", 1), replica("nginx")])

    assert [(each.service, each.number) for each in found] == [
        ("nginx", 1),
        ("flask", 1),
        ("flask", 2),
        ("postgres", 1),
    ]


@pytest.mark.parametrize(
    ("status", "code", "ready", "word"),
    [
        ("running", 0, True, "running"),
        ("running", 0, False, "starting"),
        ("restarting", 1, False, "restarting"),
        ("exited", 0, False, "exited"),
        ("exited", 137, False, "failed"),
        ("dead", 0, False, "failed"),
        ("removing", 0, False, "stopping"),
    ],
)
def test_a_state_is_one_of_the_words_every_engine_uses(status: str, code: int, ready: bool, word: str):
    assert listing.state(replica(Status=status, ExitCode=code), ready) == word


@pytest.mark.parametrize(
    ("text", "size"),
    [("512B", 512), ("44.5MiB", 46661632), ("1.5GiB", 1610612736), ("2kB", 2000), ("--", 0), ("", 0)],
)
def test_memory_is_read_in_every_unit_docker_writes(text: str, size: int):
    assert listing.size(text) == size


def test_a_finished_one_shot_is_not_listed_and_a_failed_one_is():
    assert not listing.worth_showing(replica("migrate", Status="exited"))
    assert listing.worth_showing(replica("migrate", Status="exited", ExitCode=1))


@pytest.mark.parametrize(
    ("said", "mend"),
    [
        (
            "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?",
            "ENGINE=native",
        ),
        (
            "permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock",
            "usermod",
        ),
        ("docker: 'compose' is not a docker command.", "compose v2"),
        ("Bind for 127.0.0.1:8080 failed: port is already allocated", "HTTP_PORT"),
        ("failed to bind host port for 127.0.0.1:80: address already in use", "HTTP_PORT"),
        ("listen tcp4 10.9.9.9:8080: bind: cannot assign requested address", "BIND_ADDRESS"),
        ("write /var/lib/docker/overlay2/x: no space left on device", "disk"),
        ("SSLError(SSLCertVerificationError(1, '[SSL: CERTIFICATE_VERIFY_FAILED] ...'))", "CA_BUNDLE"),
        ("pull access denied for postgres, repository does not exist", "deploy/images/build"),
        (
            "failed to resolve source metadata for docker.io/library/nginx:1.30: dial tcp: i/o timeout",
            "deploy/images/build",
        ),
        ("could not find an available, non-overlapping IPv4 address pool among the defaults", "network prune"),
    ],
)
def test_what_docker_says_becomes_a_sentence_with_the_mend(said: str, mend: str):
    assert mend in sentence(["#7 [apps 2/3] RUN something", said])


def test_an_unknown_complaint_is_not_explained_away():
    assert sentence(["something new went wrong"]) == ""


def test_every_mend_is_one_line():
    assert all("\n" not in mend for _, mend in docker.TROUBLES)


def test_the_default_project_is_not_named_and_another_is():
    assert Docker(settings(), Console()).compose("ps") == ["docker", "compose", "ps"]
    assert Docker(settings(COMPOSE_PROJECT_NAME="x"), Console()).compose("ps") == ["docker", "compose", "-p", "x", "ps"]


def test_dev_adds_the_file_that_reloads():
    command = Docker(settings(DEV="1"), Console()).compose("up")

    assert command == ["docker", "compose", "-f", "compose.yaml", "-f", "compose.dev.yaml", "up"]


def test_compose_reads_what_was_set_and_an_empty_variable_hides_nothing():
    found = environment(settings(HTTP_PORT="81"), {"PATH": "/bin", "HTTP_PORT": "", "THREADS": ""})

    assert found == {"PATH": "/bin", "HTTP_PORT": "81", "HTTPS_PORT": "444"}


def test_a_secret_in_a_file_is_handed_over(tmp_path: Path):
    (tmp_path / "key").write_text("hidden\n")

    assert environment(settings(tmp_path, SECRET_KEY_FILE="key"), {})["SECRET_KEY"] == "hidden"


def test_a_secret_file_that_is_not_there_is_refused(tmp_path: Path):
    with pytest.raises(Refused, match=r"SECRET_KEY_FILE=.*absent"):
        environment(settings(tmp_path, SECRET_KEY_FILE="absent"), {})


def test_the_build_trusts_what_pip_trusts_outside(tmp_path: Path):
    bundle = tmp_path / "ca.pem"
    bundle.touch()

    assert ca_bundle(settings(tmp_path), {}) == {}
    assert ca_bundle(settings(tmp_path), {"PIP_CERT": str(bundle)}) == {"CA_BUNDLE": str(bundle)}
    assert ca_bundle(settings(tmp_path, CA_BUNDLE="ca.pem"), {"PIP_CERT": "/elsewhere"}) == {"CA_BUNDLE": "ca.pem"}


def test_a_ca_bundle_that_is_no_file_is_refused(tmp_path: Path):
    with pytest.raises(Refused, match=r"CA_BUNDLE='absent\.pem' is no file"):
        ca_bundle(settings(tmp_path, CA_BUNDLE="absent.pem"), {})


def test_the_edge_is_given_files_it_can_read(tmp_path: Path):
    (tmp_path / "nginx" / "site").mkdir(parents=True)
    (tmp_path / "nginx" / "site" / "index.html").write_text("hello")
    (tmp_path / "nginx" / "site" / "index.html").chmod(0o600)

    with tarfile.open(fileobj=io.BytesIO(packed(tmp_path / "nginx"))) as archive:
        assert [(each.name, each.mode, each.uid) for each in archive] == [("site/index.html", 0o644, 0)]


@pytest.mark.parametrize(
    ("given", "asked"),
    [({}, False), ({"HTTP_PORT": "81"}, False)]
    + [({name: "own"}, True) for name in ("TLS_CERT", "TLS_KEY", "AUTH_USERS_FILE", "SERVER_NAMES")],
)
def test_credentials_are_tried_beforehand_where_they_could_be_refused(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, str], asked: bool
):
    tried: list[Docker] = []
    monkeypatch.setattr(credentials, "put", tried.append)
    credentials.check(Docker(settings(**given), Console()))

    assert bool(tried) == asked


def test_connections_are_counted_from_the_commands_the_launcher_prints():
    found = demands(settings(FLASK_DATABASE_POOL="6"), {"flask": 3}, {"flask": "gunicorn --workers 2 app"})

    assert found["flask"].connections == 3 * 2 * (6 + 1)


def test_while_replicas_change_the_edge_asks_addresses_and_keeps_the_name_in_mind(monkeypatch: pytest.MonkeyPatch):
    """nginx takes over at a reload what it knows of a name; of one it did not look up before, it would know nobody."""
    told: dict[str, str] = {}
    edge = Edge(Docker(settings(), Console()), replica("nginx"))
    monkeypatch.setattr(edge, "source", lambda: "")
    monkeypatch.setattr(edge, "reload", lambda source, overrides: told.update(overrides) or set())
    edge.route_to([replica(), replica(number=2)], drained=False)

    assert told["PONTE_UPSTREAM_FLASK"].splitlines() == [
        "    server flask:8003 resolve down max_fails=3 fail_timeout=2s;",
        "    server 172.20.0.7:8003 max_fails=3 fail_timeout=2s;",
        "    server 172.20.0.7:8003 max_fails=3 fail_timeout=2s;",
    ]


def test_what_plain_compose_has_brought_goes_by_the_image():
    found = built("sha256:0123456789abcdef", replica())

    assert (str(found), found.noted) == ("0123456789ab", False)
