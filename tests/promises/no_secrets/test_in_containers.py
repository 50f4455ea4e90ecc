"""What the engine and its containers show of the secrets: see promise.md."""

import json
import os
from collections.abc import Iterator
from copy import deepcopy

import pytest

from tests.engine import Stack
from tests.processes import ROOTS, family
from tests.promises.containers import Containers, containers, docker, inside  # noqa: F401
from tests.promises.no_secrets.looking import answers, leaks, processes, values

# The official image's entrypoint hands the password it has read on to the server, whose own it is.
TOLERATED = ("postgres",)


@pytest.fixture(scope="module")
def secrets(containers: Containers) -> dict[str, str]:  # noqa: F811
    def read(service: str, path: str) -> str:
        return inside(containers[service], "cat", path).stdout

    url, key = (read("flask", f"/run/secrets/{name}") for name in ("database-url", "secret-key"))
    return values(url, key, read("nginx", "/run/credentials/key.pem"))


def told(found: Containers) -> Iterator[tuple[str, str]]:
    """What everybody who may talk to the engine is told."""
    for service, each in found.each():
        yield f"inspect of {service}", json.dumps(each)
        yield f"image of {service}", docker("image", "inspect", each["Image"])
        yield f"history of {service}", docker("history", "--no-trunc", each["Image"])
        yield f"log of {service}", docker("logs", each["Id"])


def test_the_engine_tells_no_secret(containers: Containers, secrets: dict[str, str]) -> None:  # noqa: F811
    assert leaks(told(containers), secrets) == []


@pytest.mark.skipif(os.geteuid() != 0, reason=ROOTS)
def test_no_process_shows_a_secret(containers: Containers, secrets: dict[str, str]) -> None:  # noqa: F811
    running = [(service, each["State"]["Pid"]) for service, each in containers.each() if each["State"]["Pid"]]
    pids = {pid for service, first in running if service not in TOLERATED for pid in family(first)}

    assert leaks(processes(pids), secrets) == []


def test_an_edge_that_was_broken_into_has_neither_the_database_nor_the_cookies(
    containers: Containers,  # noqa: F811
) -> None:
    mounted = {service: {each["Destination"] for each in found["Mounts"]} for service, found in containers.each()}

    assert "/run/secrets" not in mounted["nginx"]
    assert inside(containers["nginx"], "cat", "/run/secrets/secret-key").returncode != 0
    assert "/run/credentials" not in mounted["flask"] | mounted["postgres"]


def test_the_database_reads_its_password_and_nothing_else(containers: Containers) -> None:  # noqa: F811
    read = {name: inside(containers["postgres"], "cat", f"/run/secrets/{name}").returncode
            for name in ("database-password", "secret-key", "database-url")}  # fmt: skip

    assert read == {"database-password": 0, "secret-key": 1, "database-url": 1}


def test_no_secret_can_be_read_by_others(containers: Containers) -> None:  # noqa: F811
    for service, folder in (("flask", "/run/secrets"), ("nginx", "/run/credentials")):
        listed = inside(containers[service], "sh", "-c", f"ls -l {folder}").stdout.splitlines()
        secret = [line for line in listed if line.endswith(("key", "url", "password", "key.pem", "users"))]

        assert secret and [line for line in secret if line[7:10] != "---"] == []


def test_neither_answers_nor_the_front_door_show_a_secret(stack: Stack, secrets: dict[str, str]) -> None:
    said = {word: stack.ponte(word) for word in ("config", "ps", "logs")}

    assert leaks(((word, each.stdout + each.stderr) for word, each in said.items()), secrets) == []
    assert leaks(answers(stack.url), secrets) == []


@pytest.mark.parametrize("place", ["Env", "Cmd"])
def test_a_container_that_shows_one_is_caught(containers: Containers, secrets: dict[str, str], place: str) -> None:  # noqa: F811
    broken = deepcopy(containers)
    broken["flask"]["Config"][place].append("SECRET_KEY=" + secrets["secret key"])

    assert leaks(told(broken), secrets) == ["inspect of flask shows secret key"]
