"""What compose.yaml promises, read from what `docker compose config` makes of it."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from deploy import launcher
from deploy.settings import build
from deploy.variables import PER_SERVICE, SERVICES, VARIABLES, prefix

ROOT = Path(__file__).resolve().parents[2]
GRACEFUL_TIMEOUT = int(VARIABLES["GRACEFUL_TIMEOUT"].default)
ONCE = ("migrate", "secrets", "credentials")


def compose(*words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    plain = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    argv = ["docker", "compose", "--env-file", os.devnull, *words]
    return subprocess.run(argv, cwd=ROOT, env=plain | environ, capture_output=True, text=True)


@cache
def lacking() -> str:
    if not shutil.which("docker") or compose("version").returncode:
        return "docker compose v2 is not installed"
    return ""


@pytest.fixture(autouse=True)
def _needs_compose():
    if lacking():
        pytest.skip(lacking())


def rendered(*files: str, **environ: str) -> dict[str, Any]:
    words = [word for name in files for word in ("-f", name)]
    answer = compose(*words, "config", "--format", "json", **environ)
    assert not answer.returncode, answer.stderr
    assert not answer.stderr, answer.stderr
    return json.loads(answer.stdout)


@cache
def default() -> dict[str, Any]:
    return rendered()


def services() -> Mapping[str, Any]:
    return default()["services"]


@pytest.fixture(params=(*SERVICES, "nginx", "postgres", *ONCE))
def service(request: pytest.FixtureRequest) -> Mapping[str, Any]:
    return services()[request.param]


@pytest.fixture(params=SERVICES)
def app(request: pytest.FixtureRequest) -> str:
    return request.param


def seconds(text: str) -> int:
    minutes, rest = re.fullmatch(r"(?:(\d+)m)?(\d+)s", text).groups()
    return 60 * int(minutes or 0) + int(rest)


def test_the_services_are_those_of_the_contract():
    assert set(services()) == {*SERVICES, "nginx", "postgres", *ONCE}


def test_only_nginx_can_be_reached_from_outside():
    published = {name: each["ports"] for name, each in services().items() if each.get("ports")}

    assert list(published) == ["nginx"]
    found = [(port["host_ip"], port["published"], port["target"], port["protocol"]) for port in published["nginx"]]
    assert found == [("127.0.0.1", "8080", 8080, "tcp"), ("127.0.0.1", "8443", 8443, "tcp")]


def test_an_address_and_ports_may_be_chosen():
    ports = rendered(BIND_ADDRESS="::1", HTTP_PORT="81", HTTPS_PORT="444")["services"]["nginx"]["ports"]

    assert [(port["host_ip"], port["published"]) for port in ports] == [("::1", "81"), ("::1", "444")]


def test_nothing_on_the_root_file_system_can_be_written(service: Mapping[str, Any]):
    assert service["read_only"] is True
    assert any(each.startswith("/tmp:") for each in service["tmpfs"])


def test_a_container_has_no_capability_and_gains_none(service: Mapping[str, Any]):
    assert service["cap_drop"] == ["ALL"]
    assert not service.get("privileged")
    assert service["security_opt"] == ["no-new-privileges:true"]


def test_one_service_has_capabilities_and_it_has_no_network_and_ends():
    allowed = {name: (each["cap_add"], each["network_mode"]) for name, each in services().items() if "cap_add" in each}

    assert allowed == {"credentials": (["CHOWN", "DAC_OVERRIDE"], "none")}


def test_memory_and_processes_are_limited(service: Mapping[str, Any]):
    limits = service["deploy"]["resources"]["limits"]

    assert int(limits["memory"]) > 0 and int(limits["pids"]) > 0


def test_nobody_runs_as_root():
    assert services()["postgres"]["user"] == "postgres"
    for name in ("apps", "nginx"):
        users = re.findall(r"^USER (\d+):\d+$", (ROOT / name / "Dockerfile").read_text(), re.M)
        assert users and "0" not in users, name


def test_what_lasts_comes_back_and_its_log_is_bounded():
    for name, each in services().items():
        if name not in ONCE:
            assert each["restart"] == "unless-stopped", name
            assert set(each["logging"]["options"]) == {"max-size", "max-file"}, name


def test_the_database_network_leads_nowhere():
    assert default()["networks"]["database"]["internal"] is True
    assert list(services()["postgres"]["networks"]) == ["database"]
    assert list(services()["nginx"]["networks"]) == ["edge"]


def test_secrets_are_read_only_to_those_who_need_them():
    mounts = {
        name: [v for v in each.get("volumes", []) if v["source"] == "secrets"] for name, each in services().items()
    }

    assert (mounts.pop("nginx"), mounts.pop("credentials")) == ([], [])
    assert not mounts.pop("secrets")[0].get("read_only")
    assert all(mount["read_only"] for mounted in mounts.values() for mount in mounted)
    assert all(mounts.values())


def test_no_secret_stands_in_an_environment():
    for name, each in services().items():
        assert not each.get("environment", {}).get("SECRET_KEY"), name
        assert not re.search(r"://[^/@]*:[^/@]+@", json.dumps(each.get("environment"))), name


def test_uploads_are_buffered_on_disk():
    buffers = [v for v in services()["nginx"]["volumes"] if v["target"] == "/var/cache/ponte"]

    assert [each["type"] for each in buffers] == ["volume"]


def test_a_stop_is_longer_than_the_server_takes_to_finish(app: str):
    assert seconds(services()[app]["stop_grace_period"]) > GRACEFUL_TIMEOUT


def test_the_edge_is_given_longer_than_its_workers_take():
    template = (ROOT / "nginx" / "templates" / "process.conf.template").read_text()
    (shutdown,) = re.findall(r"^worker_shutdown_timeout (\d+)s;", template, re.M)

    assert seconds(services()["nginx"]["stop_grace_period"]) > int(shutdown)


def test_postgres_ends_sessions_when_it_stops():
    assert services()["postgres"]["stop_signal"] == "SIGINT"


def test_a_health_check_asks_only_whether_the_process_lives(app: str):
    check = services()[app]["healthcheck"]
    port = launcher.table(ROOT)["services"][app]["port"]

    assert check["test"] == ["CMD", "python", "-I", "-S", "/srv/apps/serve/probe.py", str(port)]
    assert (check["interval"], "start_interval" in check) == ("5s", False)


def test_an_app_runs_under_its_own_name_with_two_replicas(app: str):
    assert services()[app]["command"] == [app, "--host", "0.0.0.0"]
    assert services()[app]["deploy"]["replicas"] == 2
    changed = rendered(**{f"{prefix(app)}_REPLICAS": "5"})
    assert changed["services"][app]["deploy"]["replicas"] == 5


def test_apps_start_after_the_migrations_and_stop_after_the_edge(app: str):
    assert services()[app]["depends_on"]["migrate"]["condition"] == "service_completed_successfully"
    assert app in services()["nginx"]["depends_on"]


# Of the edge, of this machine, or put into a file by the service secrets.
NOT_FOR_A_REPLICA = ("DATABASE_URL", "DATABASE_URL_FILE", "SECRET_KEY", "SECRET_KEY_FILE", "RELEASE")


def test_every_variable_of_a_replica_reaches_it(app: str):
    others = {f"{prefix(name)}_{each.name}" for name in SERVICES if name != app for each in PER_SERVICE}
    wanted = {name for name, each in VARIABLES.items() if each.app} - others - set(NOT_FOR_A_REPLICA)
    found = rendered(**dict.fromkeys(wanted, "7"))["services"][app]["environment"]

    assert {name for name in wanted if found.get(name) == "7"} == wanted


def test_the_name_of_a_release_stands_in_its_image_and_not_beside_it(app: str):
    """After a rollback the old image runs again, and Compose has nothing to change."""
    found = rendered(RELEASE="v7")["services"][app]

    assert found["build"]["args"]["RELEASE"] == "v7"
    assert "RELEASE" not in found["environment"]


def test_an_app_is_given_files_for_its_secrets(app: str):
    environment = services()[app]["environment"]

    assert environment["DATABASE_URL_FILE"].startswith("/run/secrets/")
    assert environment["SECRET_KEY_FILE"].startswith("/run/secrets/")


def test_what_is_built_is_named_after_project_and_service():
    """Two projects share no image, and no two builds have one name, on which current Compose would fail."""
    named = {name for name, each in services().items() if "image" in each}
    built = {name for name, each in services().items() if "build" in each}

    assert named == {"postgres"}
    assert built == set(services()) - named


def test_a_ca_bundle_reaches_the_build_and_nothing_else():
    assert default()["secrets"]["ca"]["file"] == os.devnull
    assert rendered(CA_BUNDLE="/etc/hosts")["secrets"]["ca"]["file"] == "/etc/hosts"
    for name, each in services().items():
        assert "ca" not in [secret["source"] for secret in each.get("secrets", [])], name
        assert set(each.get("build", {}).get("args", {})) <= {"SERVERS"}, name


def test_every_image_of_an_app_is_told_all_servers_that_were_chosen(app: str):
    """One set of layers for all of them: each is told what the others want too."""
    chosen = {f"{prefix(name)}_SERVER": f"of-{name}" for name in SERVICES}
    told = rendered(SERVER="of-all", **chosen)["services"][app]["build"]["args"]["SERVERS"]

    assert told.split() == ["of-all", *chosen.values()]


def test_dev_reads_the_checkout_and_cannot_write_it(app: str):
    dev = rendered("compose.yaml", "compose.dev.yaml")["services"][app]
    (mount,) = [each for each in dev["volumes"] if each["target"] == "/srv/apps"]

    assert (mount["source"], mount["read_only"], dev["environment"]["DEV"]) == (str(ROOT / "apps"), True, "1")
    assert dev["read_only"] is True


def test_the_edge_takes_the_defaults_of_the_settings():
    environment = services()["nginx"]["environment"]
    settings = build({}, {}, ROOT, ROOT / ".run")

    assert environment["BIND_ADDRESS"] == settings.bind_address
    assert tuple(environment["SERVER_NAMES"].split()) == settings.server_names
    assert environment["MAX_UPLOAD"] == VARIABLES["MAX_UPLOAD"].default


def test_production_keeps_everything_but_what_it_says():
    """deploy/compose/production.yaml: logs, and memory that is kept free."""
    production = rendered("compose.yaml", "deploy/compose/production.yaml")["services"]
    for name, each in services().items():
        made = production[name]
        reserved = made["deploy"]["resources"].pop("reservations", None)
        if name not in ONCE:
            assert int(reserved["memory"]) < int(made["deploy"]["resources"]["limits"]["memory"]), name
            assert made.pop("logging")["driver"] == "local" and each["logging"]["driver"] == "json-file"
        assert made == {key: value for key, value in each.items() if key in made}, name
