"""Built elsewhere and run by digest: `./ponte images`, then `./ponte up STAGE=production`."""

import json
import re
import subprocess
from collections.abc import Iterator

import httpx
import pytest

from deploy.compose.pins import BUILT
from tests import tls
from tests.contract import SERVICES
from tests.engine import UP_SECONDS, Stack, check_out, elsewhere, remove, unavailable
from tests.engine import own as stack_of_its_own
from tests.registry import registry

pytestmark = [pytest.mark.full, pytest.mark.timeout(UP_SECONDS)]
PRODUCTION = {"STAGE": "production", "RATE_LIMIT": "0", "CONNECTION_LIMIT": "0"}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with registry(tmp_path_factory.mktemp("registry")) as address:
        yield f"{address}/shop"


@pytest.fixture
def made() -> Iterator[Stack]:
    """A checkout of its own, in containers, which is not up."""
    if reason := unavailable("compose"):
        pytest.skip(f"compose: {reason}")
    stack = elsewhere(stack_of_its_own("compose"), **PRODUCTION)
    check_out(stack)
    yield stack
    remove(stack)


def images(stack: Stack) -> dict[str, str]:
    """Service -> the image its first container runs, by id."""
    found = {row["service"]: row["id"] for row in stack.ps()}
    return {name: docker("inspect", "--format", "{{.Image}}", number) for name, number in found.items()}


def docker(*words: str) -> str:
    return subprocess.run(["docker", *words], capture_output=True, text=True, check=True).stdout.strip()


def test_what_was_put_to_a_registry_runs_by_digest_and_nothing_is_built(made: Stack, place: str):
    done = made.ponte("images", f"REGISTRY={place}", "RELEASE=one", seconds=UP_SECONDS)
    assert done.returncode == 0, done.stderr
    pins = json.loads((made.root / ".run" / "images.json").read_text())
    named = {name: each["image"] for name, each in pins["services"].items()}
    assert set(named) == set(BUILT)
    assert all(each.startswith(f"{place}/") and "@sha256:" in each for each in named.values())
    up = made.ponte("up", seconds=UP_SECONDS)

    assert up.returncode == 0, up.stderr
    assert "building" not in up.stderr
    assert all(
        images(made)[name] == docker("inspect", "--format", "{{.Id}}", named[name]) for name in (*SERVICES, "nginx")
    )
    for name in SERVICES:
        assert httpx.get(f"{made.tls_url}/{name}/", verify=tls.context()).json()["release"] == "one"
    with (made.root / "apps" / "core" / "replica.py").open("a") as file:
        file.write("# another tree\n")
    released = made.ponte("images", f"REGISTRY={place}", "RELEASE=two", seconds=UP_SECONDS)
    assert released.returncode == 0, released.stderr
    deployed = made.ponte("deploy", seconds=UP_SECONDS)
    assert deployed.returncode == 0, deployed.stderr
    assert "building" not in deployed.stderr
    assert httpx.get(f"{made.tls_url}/flask/", verify=tls.context()).json()["release"] == "two"


def test_an_image_is_small_and_an_edited_application_needs_no_packages(made: Stack):
    """Sizes with the local stand-ins; of what is built again only layers of the sources are not from the cache."""
    assert made.ponte("up", seconds=UP_SECONDS).returncode == 0
    project = made.environ["COMPOSE_PROJECT_NAME"]
    size = {name: int(docker("image", "inspect", "--format", "{{.Size}}", f"{project}-{name}")) for name in BUILT}
    with (made.root / "apps" / "core" / "replica.py").open("a") as file:
        file.write("# edited\n")
    words = ["docker", "compose", "-p", project, "--progress", "plain", "build", "fastapi"]
    built = subprocess.run(words, cwd=made.root, capture_output=True, text=True, check=True)
    fresh = re.findall(r"^#(\d+) (?:\[.*RUN.*)$", built.stderr + built.stdout, re.M)
    ran = {number for number in fresh if f"#{number} CACHED" not in built.stderr + built.stdout}

    assert max(size[name] for name in SERVICES) < 200e6
    assert size["nginx"] < 150e6
    assert len(ran) == 1, ran  # compileall


def test_a_registry_that_does_not_answer_is_one_sentence_and_names_no_image(made: Stack):
    done = made.ponte("images", "REGISTRY=127.0.0.1:9/shop", seconds=UP_SECONDS)

    assert done.returncode == 3
    last = [line for line in done.stderr.splitlines() if line.startswith("ponte: ")]
    assert len(last) == 1 and last[0].startswith("ponte: REGISTRY='127.0.0.1:9/shop' does not take 127.0.0.1:9/shop/")
    assert not (made.root / ".run" / "images.json").exists()


def test_the_override_is_one_for_plain_compose_too(made: Stack, place: str):
    assert made.ponte("images", f"REGISTRY={place}", seconds=UP_SECONDS).returncode == 0
    files = ("compose.yaml", "deploy/compose/production.yaml", ".run/images.json")
    words = [word for each in files for word in ("-f", each)]
    asked = subprocess.run(
        ["docker", "compose", *words, "config", "--images"], cwd=made.root, capture_output=True, text=True
    )

    assert not asked.returncode, asked.stderr
    assert {line for line in asked.stdout.split() if place in line} == {
        each["image"] for each in json.loads((made.root / ".run" / "images.json").read_text())["services"].values()
    }
