from pathlib import Path

import pytest

from deploy import choice, state
from deploy.console import Console
from deploy.errors import Refused
from deploy.settings import load

DOCKERFILE = """\
FROM python:3.13-slim-trixie AS base
FROM --platform=linux/amd64 base AS build
FROM base AS runtime
"""
COMPOSE = """\
services:
  nginx:
    image: ${COMPOSE_PROJECT_NAME:-ponte}-nginx:dev
  postgres:
    image: postgres:17
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "apps").mkdir()
    (tmp_path / "apps" / "Dockerfile").write_text(DOCKERFILE)
    (tmp_path / "compose.yaml").write_text(COMPOSE)
    return tmp_path


@pytest.fixture
def docker(monkeypatch: pytest.MonkeyPatch):
    """A machine on which only these docker commands answer."""

    def can(*commands: str) -> None:
        monkeypatch.setattr(
            choice, "answers", lambda *argv, **_: any(" ".join(argv).startswith(each) for each in commands)
        )

    return can


ENGINE, COMPOSE_V2 = "docker version", "docker compose version"


def chosen(root: Path, **words: str) -> tuple[str, str]:
    return choice.choose(load(words, {}, root))


def test_base_images_are_the_ones_we_do_not_make(root: Path):
    assert choice.base_images(root) == ["postgres:17", "python:3.13-slim-trixie"]


def test_no_engine_means_native(root: Path, docker):
    docker()

    assert chosen(root) == ("native", "no Docker engine answers")


def test_an_engine_without_compose_v2_means_native(root: Path, docker):
    docker(ENGINE)

    assert chosen(root) == ("native", "Docker has no compose v2")


def test_images_neither_here_nor_at_a_registry_mean_native(root: Path, docker):
    docker(ENGINE, COMPOSE_V2, "docker image inspect python")

    assert chosen(root) == ("native", "postgres:17 is not here and no registry answers within 5 s")


@pytest.mark.parametrize("source", ["docker image inspect", "docker manifest inspect"])
def test_images_here_or_at_a_registry_mean_compose(root: Path, docker, source: str):
    docker(ENGINE, COMPOSE_V2, source)

    assert chosen(root)[0] == "compose"


def test_a_named_engine_is_taken_without_asking(root: Path, docker):
    docker()

    assert chosen(root, ENGINE="compose") == ("compose", "ENGINE names it")


def test_a_running_stack_is_found_by_what_it_wrote(root: Path):
    settings = load({}, {}, root)
    state.write(settings.run, {"engine": "native", "project": "ponte"})

    assert choice.recorded(settings, Console()) == "native"


def test_nothing_up_is_exit_3(root: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(choice, "_compose_runs", lambda settings: False)

    with pytest.raises(Refused, match="nothing is up") as refusal:
        choice.must_run(load({}, {}, root), Console())
    assert refusal.value.code == 3
