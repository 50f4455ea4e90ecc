"""The edge's access log, as either engine gives it to the oracle."""

import os
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from deploy.compose.containers import Container
from deploy.console import Console
from deploy.engines.compose import Compose
from deploy.errors import Refused
from deploy.native import logs
from deploy.settings import build

NAMES = ("access.log.2", "access.log.1", "access.log")  # oldest first


def line(moment: float) -> str:
    return f'{{"time":"2026-11-21T20:00:00+00:00","msec":{moment:.3f},"service":"nginx","status":200}}\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three files of four lines each, a second between two lines."""
    for place, name in enumerate(NAMES):
        (tmp_path / name).write_text("".join(line(1000 + 4 * place + number) for number in range(4)))
    return tmp_path


def moments(lines: Iterator[str]) -> list[float]:
    return [logs.moment(each) for each in lines]


@pytest.mark.parametrize(("since", "first"), [(0, 1000), (1006, 1006), (1006.5, 1007), (1011, 1011), (2000, 1012)])
def test_lines_come_in_their_order_from_a_moment_on_out_of_rotated_files_too(
    folder: Path, since: float, first: int
) -> None:
    assert moments(logs.edge(folder, since)) == list(range(first, 1012))


def test_what_is_no_line_of_a_request_is_left_out(folder: Path) -> None:
    (folder / "access.log").write_text("half a line\n\n" + line(1011))

    assert moments(logs.edge(folder, 1008)) == [1011]


def test_without_a_log_there_are_no_lines(tmp_path: Path) -> None:
    assert list(logs.edge(tmp_path, 0)) == []


def test_a_log_that_is_turned_meanwhile_is_neither_missed_nor_told_twice(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = Path.open

    def turning(path: Path, *words: object, **options: object):  # type: ignore[no-untyped-def]
        opened = usual(path, *words, **options)  # type: ignore[call-overload]
        if path.name == "access.log":
            for older, newer in pairwise(NAMES):
                (folder / newer).replace(folder / older)
        return opened

    monkeypatch.setattr(Path, "open", turning)

    assert moments(logs.edge(folder, 1004)) == list(range(1004, 1012))


@pytest.fixture
def containers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Compose:
    """An engine with an nginx and a flask; `docker` writes the words it got, a line each, and one to stderr."""
    docker = tmp_path / "docker"
    docker.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\necho noise >&2\nexit ${EXIT:-0}\n')
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    there = [
        Container(f"id-of-{name}", name, 1, name, "running", 0, 0.0, (), {}, {"edge": name}, 45)
        for name in ("flask", "nginx")
    ]
    monkeypatch.setattr(Compose, "containers", lambda self: there)
    return Compose(build({}, {}, tmp_path, tmp_path / ".run"), Console())


def test_in_containers_it_is_what_nginx_wrote_to_its_standard_output(containers: Compose) -> None:
    found = [each.strip() for each in containers.edge_log(1000.25)]

    assert found == ["logs", "--since", "1000.250", "id-of-nginx"]


def test_a_docker_that_gives_no_log_is_told(containers: Compose, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXIT", "1")

    with pytest.raises(Refused, match="docker does not give the log of nginx"):
        list(containers.edge_log(0))
