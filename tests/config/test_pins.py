"""Everything that comes from others comes in a version that somebody chose: packages, base images, actions."""

import re
from pathlib import Path

import pytest
import yaml

from deploy.supply.locks import locks, pins
from tests.contract import ROOT

LOCKS = locks(ROOT)
ASKED = [path for path in ROOT.glob("[!.]*/**/requirements.in") if path.relative_to(ROOT).parts[0] != "reports"]
DOCKERFILES = sorted(ROOT.glob("*/Dockerfile"))
COMPOSE = sorted(ROOT.glob("compose*.yaml"))
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
IMAGE = re.compile(r"[a-z0-9./-]+:\d+(\.\d+)*(-[a-z0-9-]+)?(@sha256:[0-9a-f]{64})?")  # (!) `latest`, `stable` are none
ACTION = re.compile(r"[\w.-]+/[\w.-]+@[0-9a-f]{40}  # v\d+\.\d+\.\d+")


def images(dockerfile: str) -> list[str]:
    """What its stages begin with, but for its own stages."""
    stages = re.findall(r"^FROM .* AS (\S+)$", dockerfile, re.M)
    return [name for name in re.findall(r"^FROM (?:--\S+ )*(\S+)", dockerfile, re.M) if name not in stages]


def unpinned(names: list[str], pattern: re.Pattern[str]) -> list[str]:
    return [name for name in names if not pattern.fullmatch(name)]


def actions(workflow: str) -> list[str]:
    return re.findall(r"\buses: *(.+)$", workflow, re.M)


def test_every_list_of_packages_has_its_lock_and_no_lock_stands_alone():
    assert {path.parent for path in ASKED} == {lock.parent for lock in LOCKS.values()}


@pytest.mark.parametrize("name", LOCKS)
def test_every_package_of_a_lock_has_a_version_and_hashes(name: str):
    text = LOCKS[name].read_text()
    lines = [line for line in text.splitlines() if line and not line.startswith((" ", "#"))]

    assert [line for line in lines if not re.match(r"[\w.-]+==[\w.+!-]+( ; .+)? \\$", line)] == []
    assert [pin.name for pin in pins(LOCKS[name]) if not pin.hashes] == []
    assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", each) for pin in pins(LOCKS[name]) for each in pin.hashes)


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_names_no_place_to_fetch_from(name: str):
    text = LOCKS[name].read_text() + LOCKS[name].with_suffix(".in").read_text()

    assert not re.search(r"://|^\s*(-i|--(extra-)?index-url|--find-links|-f|-e)\b", text, re.M)


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.parent.name)
def test_every_base_image_has_a_version(path: Path):
    assert images(path.read_text())
    assert unpinned(images(path.read_text()), IMAGE) == []


@pytest.mark.parametrize("path", COMPOSE, ids=lambda path: path.name)
def test_every_image_that_compose_fetches_has_a_version(path: Path):
    services = yaml.safe_load(path.read_text()).get("services") or {}
    fetched = [each["image"] for each in services.values() if "image" in each and "build" not in each]

    assert unpinned([name for name in fetched if not name.startswith("${")], IMAGE) == []


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_every_action_is_a_commit_with_its_version_behind_it(path: Path):
    assert actions(path.read_text())
    assert unpinned(actions(path.read_text()), ACTION) == []


@pytest.mark.parametrize("text", ["FROM nginx\n", "FROM nginx:latest AS runtime\n", "FROM --platform=x nginx:stable\n"])
def test_an_image_that_moves_is_caught(text: str):
    assert unpinned(images(text), IMAGE)


@pytest.mark.parametrize(
    "text", ["- uses: actions/checkout@v7\n", "- uses: actions/checkout@v7.0.1\n", f"- uses: a/b@{'0' * 40}\n"]
)
def test_an_action_that_moves_is_caught(text: str):
    assert unpinned(actions(text), ACTION)
