"""What a Swarm is told, rendered from compose.yaml and deploy/swarm/overlay.yaml: nothing else than Compose, but where it says so."""

import json
import os
import re
import subprocess
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from deploy.swarm import render
from deploy.swarm.cluster import OVERLAY
from deploy.variables import SERVICES
from tests.config.test_compose import ONCE, compose, lacking, rendered, seconds

ROOT = Path(__file__).resolve().parents[2]
IMAGES = {name: f"ponte-{name}:0123456789ab" for name in (*SERVICES, "migrate", "nginx")}
SECRETS = {name: f"ponte_{name}" for name in ("database-password", "database-url", "secret-key", "certificate", "key")}
COUNTS = dict(zip(SERVICES, (2, 3, 4, 5), strict=False))
LASTING = (*SERVICES, "nginx", "postgres")
KEPT = (
    "command", "entrypoint", "working_dir", "user", "read_only", "cap_drop", "stop_grace_period", "stop_signal", "logging",
)  # fmt: skip


@pytest.fixture(autouse=True)
def _needs_compose():
    if lacking():
        pytest.skip(lacking())


def made(together: bool = False, **environ: str) -> dict[str, Any]:
    return render.stack(rendered("compose.yaml", str(OVERLAY), **environ), IMAGES, SECRETS, COUNTS, together)


@cache
def stack() -> dict[str, Any]:
    return made()


def services() -> Mapping[str, Any]:
    return stack()["services"]


def test_docker_takes_it():
    asked = subprocess.run(
        ["docker", "stack", "config", "-c", "-"], input=json.dumps(stack()), capture_output=True, text=True
    )
    if "is not a docker command" in asked.stderr or "See 'docker" in asked.stderr:
        pytest.skip("this docker has no `stack config`; version 25 has")

    assert not asked.returncode, asked.stderr
    assert not asked.stderr, asked.stderr  # it would name what it ignores


def test_the_services_are_those_of_compose_but_for_what_writes_secrets():
    assert set(services()) == {*LASTING, "migrate"}
    assert set(render.ONCE) < set(ONCE)


@pytest.mark.parametrize("name", [*LASTING, "migrate"])
def test_a_service_is_what_it_is_in_compose(name: str):
    """The drift test: what is not in the overlay is the same."""
    plain, swarm = rendered()["services"][name], services()[name]
    environment = {key: value for key, value in (plain["environment"] or {}).items() if value is not None}
    changed = {"BIND_ADDRESS": "0.0.0.0"} if name == "nginx" else {}

    assert swarm["environment"] == environment | changed
    for key in KEPT:
        assert swarm.get(key) == plain.get(key), key
    assert swarm["deploy"]["resources"] == plain["deploy"]["resources"]
    assert swarm["networks"] == list(plain["networks"])


@pytest.mark.parametrize("name", [*LASTING, "migrate"])
def test_what_is_in_memory_in_compose_is_in_memory_of_the_same_size(name: str):
    plain = rendered()["services"][name]
    sizes = [re.findall(r"^([^:]+):size=(\d+)m", each)[0] for each in plain["tmpfs"]]
    wanted = {path: int(size) * 2**20 for path, size in sizes}
    wanted |= {"/dev/shm": int(plain["shm_size"])} if "shm_size" in plain else {}
    found = {each["target"]: each["tmpfs"]["size"] for each in services()[name]["volumes"] if each["type"] == "tmpfs"}

    assert found == wanted


def test_a_folder_in_memory_belongs_to_everybody_in_the_image_of_nginx():
    """(!) A Swarm's tmpfs has no owner to choose, and takes its mode from there."""
    everybody = re.search(
        r"install -d -o edge -g edge -m 1777 (.*?) \\?\n", (ROOT / "nginx" / "Dockerfile").read_text()
    )
    folders = {each["target"] for each in services()["nginx"]["volumes"] if each["type"] == "tmpfs"}

    assert everybody and folders - {"/tmp"} == set(everybody[1].split())


@pytest.mark.parametrize("name", SERVICES)
def test_a_new_replica_is_ready_before_an_old_one_goes(name: str):
    deploy = services()[name]["deploy"]

    assert deploy["replicas"] == COUNTS[name]
    assert deploy["endpoint_mode"] == "dnsrr"
    assert deploy["update_config"]["order"] == deploy["rollback_config"]["order"] == "start-first"
    assert deploy["update_config"]["failure_action"] == "rollback"
    assert services()[name]["healthcheck"]["test"][-1] == render.READY_FIRST


@pytest.mark.parametrize("name", SERVICES)
def test_who_hangs_for_a_moment_is_not_killed(name: str):
    """In Compose unhealthy is a word; a Swarm kills."""
    check = services()[name]["healthcheck"]

    assert check["retries"] * (seconds(check["interval"]) + seconds(check["timeout"])) >= 120


def test_a_blue_green_release_replaces_all_at_once():
    for name in SERVICES:
        assert services()[name]["deploy"]["update_config"]["parallelism"] == 1
        assert made(together=True)["services"][name]["deploy"]["update_config"]["parallelism"] == 0


def test_there_is_one_database_on_the_node_that_has_its_data():
    deploy = services()["postgres"]["deploy"]

    assert deploy["placement"]["constraints"] == ["node.labels.ponte.postgres == true"]
    assert deploy["update_config"]["order"] == "stop-first"


def test_the_migration_runs_once():
    assert services()["migrate"]["deploy"]["restart_policy"]["condition"] == "none"


def test_only_nginx_is_published_and_by_each_node_itself():
    published = {name: each["ports"] for name, each in services().items() if each.get("ports")}

    assert list(published) == ["nginx"]
    assert [(each["target"], each["published"], each["mode"]) for each in published["nginx"]] == [
        (8080, 8080, "host"), (8443, 8443, "host"),
    ]  # fmt: skip
    assert services()["nginx"]["deploy"]["mode"] == "global"


def test_a_secret_is_read_by_who_needs_it_and_by_nobody_else():
    users = {
        name: re.findall(r"^USER (\d+):", (ROOT / name / "Dockerfile").read_text(), re.M)[-1]
        for name in ("apps", "nginx")
    }
    readers = {name: {each["source"] for each in one["secrets"]} for name, one in services().items()}

    assert readers["nginx"] == {"certificate", "key"}
    assert readers["postgres"] == {"database-password"}
    assert all(readers[name] == {"database-url", "secret-key"} for name in (*SERVICES, "migrate"))
    for name, one in services().items():
        owner = {"nginx": users["nginx"], "postgres": "999"}.get(name, users["apps"])
        assert all(each["uid"] == owner and each["mode"] in ("0400", 0o400) for each in one["secrets"]), name


def test_data_are_not_those_of_plain_compose_which_have_another_password():
    names = {each["name"] for each in stack()["volumes"].values()}

    assert not names & {each["name"] for each in rendered()["volumes"].values()}
    assert all(name.startswith(f"{rendered()['name']}-swarm_") for name in names)


def test_http3_is_published_over_udp_as_well():
    config = rendered("compose.yaml", "compose.http3.yaml", str(OVERLAY), HTTP3="1")
    ports = render.stack(config, IMAGES, SECRETS, COUNTS)["services"]["nginx"]["ports"]

    assert {(each["target"], each["protocol"]) for each in ports} == {(8080, "tcp"), (8443, "tcp"), (8443, "udp")}


# ------------------------------------------------------------------------------ deploy/swarm/loadtest.yaml


# (!) Compose names the project after the folder where nobody does; `docker stack` does not.
LOADTEST = {"LOCUST_IMAGE": "locust"}


@cache
def loadtest() -> Mapping[str, Any]:
    words = ("docker", "compose", "-f", "deploy/swarm/loadtest.yaml", "config", "--format", "json")
    asked = subprocess.run(
        words,
        cwd=ROOT,
        capture_output=True,
        text=True,
        env=os.environ | LOADTEST | {"COMPOSE_PROJECT_NAME": rendered()["name"]},
    )
    assert not asked.returncode, asked.stderr
    return json.loads(asked.stdout)


@pytest.mark.parametrize("name", ["locust", "locust-worker"])
def test_the_load_of_a_swarm_is_the_load_of_compose(name: str):
    ours, swarm = rendered_with_profile()[name], loadtest()["services"][name]

    for key in ("command", "read_only", "cap_drop", "stop_signal", "stop_grace_period", "logging"):
        assert swarm[key] == ours[key], key
    assert set(swarm["environment"]) == {each for each in ours["environment"] if each in LOADTEST_WORDS}
    assert swarm["deploy"]["resources"]["limits"] == ours["deploy"]["resources"]["limits"]
    assert swarm["deploy"]["restart_policy"]["condition"] == "none"


def rendered_with_profile() -> Mapping[str, Any]:
    asked = compose("--profile", "loadtest", "config", "--format", "json")
    return json.loads(asked.stdout)["services"]


LOADTEST_WORDS = ("SERVICE", "LOCUST_RATE", "LOCUST_STAGES", "LOCUST_MIX")


def test_the_load_is_on_the_network_of_the_edges_and_not_on_their_nodes():
    assert loadtest()["networks"]["edge"]["name"] == stack()["networks"]["edge"]["name"]
    assert stack()["networks"]["edge"]["attachable"] is True
    for each in loadtest()["services"].values():
        assert each["deploy"]["placement"]["constraints"] == ["node.labels.ponte.load == true"]
