"""The one ladder of timeouts: who waits longer than whom, read from every file that has a number of it."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from core.settings import SERVICES
from core.settings import VARIABLES as APP_VARIABLES
from serve import listener

from deploy import edge, launcher
from deploy.native import replicas, routing
from deploy.settings import build
from deploy.variables import VARIABLES
from tests.config.edge import settings
from tests.config.edge_cases import NAMED
from tests.config.parsed import Node, parse
from tests.contract import ROOT

# Seconds -> what stands on that rung. What is below has ended when what is above gives up.
LADDER = {
    1: ("connecting to a replica",),
    1.5: ("a stopping replica keeps an idle connection",),
    2: ("a failed replica is left alone",),
    5: ("trying other replicas",),
    30: ("the edge keeps an idle connection to a replica", "the longest answer"),
    35: ("a replica finishes what it has",),
    45: ("a replica is killed",),
    60: ("the edge waits for an answer", "old workers of the edge finish", "a worker is thought dead"),
    65: ("the edge is killed",),
    75: ("a replica keeps an idle connection",),
}
RUNGS = [(what, seconds) for seconds, rung in LADDER.items() for what in rung]
LIMITS = (
    "core/params.py",
    "flask/app.py",
    "fastapi/app.py",
    "django/ponte/waiting_wsgi.py",
    "django/ponte/waiting_asgi.py",
)


@pytest.fixture(scope="module")
def edge_(nginx: Path, tmp_path_factory: pytest.TempPathFactory) -> Node:
    folder = tmp_path_factory.mktemp("ladder")
    edge.render(settings(folder, nginx, upstreams=NAMED, resolver=("127.0.0.11",)), folder / "nginx")
    return parse(folder / "nginx")


@pytest.fixture(scope="module")
def compose() -> dict:
    return yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]


@pytest.fixture(scope="module")
def commands() -> list[str]:
    """What the launcher starts by default, each service once."""
    return list(launcher.check(build({}, {}, ROOT, ROOT / ".run"), tuple(SERVICES)).values())


def seconds(text: str) -> int:
    return int(re.fullmatch(r"(\d+)s", text)[1])


def in_proxied(tree: Node, *names: str) -> set[int]:
    """Of all locations but those of sockets and event streams, which tests/promises/linted watches."""
    short = [each for each in tree.proxied if each.value("proxy_read_timeout") != ("1h",)]
    return {seconds(each.value(name)[0]) for each in short for name in names}


def in_upstreams(tree: Node, name: str) -> set[int]:
    return {seconds(each.value(name)[0]) for each in tree.all("upstream")}


def of_members(tree: Node, word: str) -> set[int]:
    members = (member for each in tree.all("upstream") for member in each.own("server"))
    return {seconds(dict(part.partition("=")[::2] for part in each.args)[word]) for each in members}


def graces(services: dict, *names: str) -> set[int]:
    return {seconds(services[name]["stop_grace_period"]) for name in names}


def flag(lines: list[str], *names: str) -> set[int]:
    """Its value in every command that has one of the names; 0 for a command that has none."""
    found = [re.search(rf"--(?:{'|'.join(names)}) (\d+)", line) for line in lines]
    return {int(each[1]) if each else 0 for each in found}


def default(name: str) -> set[int]:
    return {int(VARIABLES[name].default), int(APP_VARIABLES[name][1] or 0)}


def longest() -> set[int]:
    """Of /wait, /stream and /jobs: the only limits there that are whole thousands of milliseconds."""
    return {int(each) for path in LIMITS for each in re.findall(r"\b(\d+)_000\b", (ROOT / "apps" / path).read_text())}


READ: dict[str, Callable[[Node, dict, list[str]], set]] = {
    "connecting to a replica": lambda tree, *_: in_proxied(tree, "proxy_connect_timeout"),
    "a failed replica is left alone": lambda tree, *_: of_members(tree, "fail_timeout"),
    "a stopping replica keeps an idle connection": lambda *_: {listener.LINGER_SECONDS},
    "trying other replicas": lambda tree, *_: in_proxied(tree, "proxy_next_upstream_timeout"),
    "the edge keeps an idle connection to a replica": lambda tree, *_: in_upstreams(tree, "keepalive_timeout"),
    "the longest answer": lambda *_: longest(),
    "a replica finishes what it has": lambda _, __, lines: (
        default("GRACEFUL_TIMEOUT") | flag(lines, "graceful-timeout", "timeout-graceful-shutdown")
    ),
    "a replica is killed": lambda _, services, __: graces(services, *SERVICES) | {replicas.STOP_SECONDS},
    "the edge waits for an answer": lambda tree, *_: in_proxied(tree, "proxy_read_timeout", "proxy_send_timeout"),
    "old workers of the edge finish": lambda tree, *_: {seconds(tree.value("worker_shutdown_timeout")[0])},
    "a worker is thought dead": lambda _, __, lines: flag([each for each in lines if "gunicorn" in each], "timeout"),
    "the edge is killed": lambda _, services, __: graces(services, "nginx") | {routing.STOP_SECONDS},
    "a replica keeps an idle connection": lambda _, __, lines: (
        default("KEEPALIVE") | flag(lines, "keep-alive", "timeout-keep-alive")
    ),
}


def test_ladder_rises() -> None:
    assert list(LADDER) == sorted(LADDER)
    assert set(READ) == {what for what, _ in RUNGS}


@pytest.mark.parametrize(("what", "rung"), RUNGS)
def test_everybody_stands_on_the_same_rung(
    what: str, rung: float, edge_: Node, compose: dict, commands: list[str]
) -> None:
    assert READ[what](edge_, compose, commands) == {rung}
