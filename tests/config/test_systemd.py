"""The units of deploy/systemd: what systemd itself says of them, that they are one shape, and that they are compose.yaml's stack."""

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml
from core.settings import SERVICES as APPLICATIONS

pytest.importorskip("psutil")

from deploy import environment
from deploy.native import django, releases, replicas
from deploy.native.record import Member
from deploy.native.replicas import BY_FILE
from deploy.native.routing import Routing
from deploy.release import Release
from deploy.settings import build
from deploy.systemd import keeper, ports, units
from deploy.systemd.layout import PREFIX, Installed
from deploy.variables import APPS, MOST_REPLICAS, SERVICES
from tests.contract import ROOT

needs_systemd = pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed")
MOST_EXPOSED = 20  # tenths: systemd's own scale from 0 to 10.0, on which a bare unit has 9.6
RENDERED = {str(name): text for name, text in units.rendered(PREFIX, checkout=Path("/srv/ponte")).items()}
PROGRAMS = sorted(name for name in RENDERED if name.endswith(".service"))
HARDENED = "ponte-.service.d/hardened.conf"
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
ONE, ANOTHER = SERVICES[0], SERVICES[-1]
TREE, PORT = "ab12ab12ab12", ports.FIRST[ONE] + 1


def values(text: str, name: str) -> list[str]:
    return re.findall(rf"^{name}=(.*)$", text, re.MULTILINE)


def value(text: str, name: str) -> str:
    found = values(text, name)
    assert len(found) == 1, f"{name} stands {len(found)} times"
    return found[0]


def variables(text: str) -> dict[str, str]:
    return dict(word.split("=", 1) for line in values(text, "Environment") for word in line.split())


# ------------------------------------------------------------------------------ what systemd says


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Units for a prefix where every program they start is there."""
    prefix, found = tmp_path / "prefix", tmp_path / "units"
    for service in SERVICES:
        program(prefix / "replicas" / f"{service}-i" / "venv/bin/python")
    for path in ("releases/i/venv/bin/python", "bin/nginx"):
        program(prefix / path)
    program(tmp_path / "checkout/ponte")
    program(tmp_path / "checkout/.run/venv/bin/python")
    for kind in (units.UNITS, "loopback"):
        for name, text in units.rendered(prefix, kind, tmp_path / "checkout").items():
            (found / name).parent.mkdir(parents=True, exist_ok=True)
            (found / name).write_text(text)
    return found


def program(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to("/bin/true")


def analyze(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "SYSTEMD_UNIT_PATH": f"{folder}:", "LC_ALL": "C.UTF-8"}
    return subprocess.run(["systemd-analyze", *words], cwd=folder, env=environ, capture_output=True, text=True)


def verify(folder: Path) -> str:
    names = [str(path) for path in sorted(folder.iterdir()) if path.is_file()]
    done = analyze(folder, "verify", "--man=no", *names)
    return done.stderr + (f"exit code {done.returncode}" if done.returncode else "")


@needs_systemd
def test_systemd_finds_nothing_to_complain_of(folder: Path):
    assert verify(folder) == ""


@needs_systemd
def test_a_word_systemd_does_not_know_is_found(folder: Path):
    unit = folder / f"ponte-{ONE}@.service"
    unit.write_text(unit.read_text().replace("TimeoutStopSec=", "TimeoutStop="))

    assert "TimeoutStop" in verify(folder)


def exposed(folder: Path, name: str) -> bool:
    words = ("security", "--offline=true", f"--threshold={MOST_EXPOSED}", f"./{name}")
    return analyze(folder, *words).returncode != 0


@needs_systemd
@pytest.mark.parametrize("name", PROGRAMS)
def test_an_intruder_finds_little_to_work_with(folder: Path, name: str):
    assert not exposed(folder, name)


@needs_systemd
@pytest.mark.parametrize("name", PROGRAMS)
def test_without_the_common_part_a_unit_is_too_exposed(folder: Path, name: str):
    (folder / HARDENED).unlink()

    assert exposed(folder, name)


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_common_part_overrides_no_unit(name: str):
    """A drop-in is read last: what stands in both would be taken from it, silently."""
    common = set(re.findall(r"^(\w+)=", RENDERED[HARDENED], re.MULTILINE))

    assert common & set(re.findall(r"^(\w+)=", RENDERED[name], re.MULTILINE)) == set()
    assert values(RENDERED[name], "SystemCallFilter")[0] == "@system-service"


# ------------------------------------------------------------------------------ one shape


def test_every_unit_says_what_it_is_for_how_it_starts_and_how_it_is_seen():
    for name, text in RENDERED.items():
        header = text.partition("\n[")[0]
        assert header.count("\n") >= 2 and all(line.startswith("#") for line in header.splitlines()), name
        assert "# See:" in header, name
        assert re.search("@[A-Z]+@", text) is None, name


@pytest.mark.parametrize("service", SERVICES)
def test_siblings_differ_in_nothing_but_their_name(service: str):
    """Rendered from one template; the ports are what follows the @."""
    ours, others = RENDERED[f"ponte-{service}@.service"], RENDERED[f"ponte-{ONE}@.service"]

    assert re.sub(rf"(?<!static/)\b{service}\b(?!-asgi)", ONE, ours) == others


def test_two_releases_of_all_replicas_have_ports_that_nobody_shares():
    found = [port for service in SERVICES for letter in ports.RANGES for port in ports.ports(service, letter)]

    assert len(set(found)) == len(found) == len(SERVICES) * 2 * MOST_REPLICAS
    assert max(found) < 20000  # below what the native engine takes, and what the kernel gives to outgoing connections


# ------------------------------------------------------------------------------ the stack of compose.yaml


Units = dict[str, str]
Check = Callable[[Units, Mapping[str, Any]], object]
PLACES = {
    "PYTHONPATH",
    "PROMETHEUS_MULTIPROC_DIR",
    "STATIC_ROOT",
    "PYTHONDONTWRITEBYTECODE",
    "LANG",
}  # not of a container's file system
PASSED_ON = {each.name for each in APPS} - set(BY_FILE)  # by PREFIX/replicas/NAME.env
CONTAINERS = {**{f"ponte-{name}@.service": name for name in SERVICES}, "ponte-nginx.service": "nginx"}
WITH_MIGRATE = CONTAINERS | {"ponte-migrate@.service": "migrate"}


def limits(service: Mapping[str, Any]) -> tuple[str, str]:
    found = service["deploy"]["resources"]["limits"]
    return found["memory"], str(found["pids"])


DRIFT: dict[str, tuple[Check, Check]] = {
    "applications": (
        lambda found, _: {name[6:-9] for name in found if "LoadCredential" in found[name] and "%i.env" in found[name]},
        lambda _, services: {name for name, each in services.items() if "healthcheck" in each} - {"nginx", "postgres"},
    ),
    "memory and processes": (
        lambda found, _: {name: (value(found[name], "MemoryMax"), value(found[name], "TasksMax")) for name in WITH_MIGRATE},
        lambda _, services: {unit: limits(services[name]) for unit, name in WITH_MIGRATE.items()},
    ),
    "time to stop": (
        lambda found, _: {name: value(found[name], "TimeoutStopSec") for name in CONTAINERS},
        lambda _, services: {unit: services[name]["stop_grace_period"] for unit, name in CONTAINERS.items()},
    ),
    "names of the environment": (
        lambda found, _: {name: set(variables(found[f"ponte-{name}@.service"])) - PLACES for name in (*SERVICES, "migrate")},
        lambda _, services: {
            name: set(services[name]["environment"]) - PASSED_ON - PLACES for name in (*SERVICES, "migrate")
        },
    ),
    "ports": (
        lambda *_: {name: first // 1000 - 10 for name, first in ports.FIRST.items()},
        lambda _, services: {name: int(services[name]["healthcheck"]["test"][-1]) - 8000 for name in SERVICES},
    ),
    "commands": (
        lambda found, _: {name: value(found[f"ponte-{name}@.service"], "ExecStart").split()[3] for name in SERVICES},
        lambda _, services: {name: services[name]["command"][0] for name in SERVICES},
    ),
}  # fmt: skip


def drift(found: Units, services: Mapping[str, Any]) -> list[str]:
    return [what for what, (ours, theirs) in DRIFT.items() if ours(found, services) != theirs(found, services)]


def test_the_units_are_the_stack_of_compose():
    assert drift(RENDERED, COMPOSE) == []


@pytest.mark.parametrize(
    ("unit", "old", "new", "what"),
    [
        (f"ponte-{ONE}@.service", "MemoryMax=512M", "MemoryMax=1G", "memory and processes"),
        ("ponte-nginx.service", "TasksMax=64", "TasksMax=65", "memory and processes"),
        (f"ponte-{ANOTHER}@.service", "TimeoutStopSec=45s", "TimeoutStopSec=30s", "time to stop"),
        (f"ponte-{ANOTHER}@.service", "DATABASE_URL_FILE", "DATABASE_FILE", "names of the environment"),
        (f"ponte-{ANOTHER}@.service", f"-m serve {ANOTHER}", "-m serve quart", "commands"),
    ],
)
def test_a_value_changed_in_a_unit_alone_is_seen(unit: str, old: str, new: str, what: str):
    assert old in RENDERED[unit]

    assert drift({**RENDERED, unit: RENDERED[unit].replace(old, new)}, COMPOSE) == [what]


def changed(service: str, *path: str, to: object) -> dict[str, Any]:
    found = deepcopy(COMPOSE)
    *before, last = path
    place = found[service]
    for key in before:
        place = place[key]
    place[last] = to
    return found


@pytest.mark.parametrize(
    ("services", "what"),
    [
        (changed(ANOTHER, "deploy", "resources", "limits", "memory", to="1G"), "memory and processes"),
        (changed("nginx", "stop_grace_period", to="30s"), "time to stop"),
        (changed(ONE, "environment", to={"SECRET_FILE": "x"}), "names of the environment"),
        (changed(ANOTHER, "healthcheck", to={"test": ["8005"]}), "ports"),
        (changed(ONE, "command", to=["quart"]), "commands"),
        ({**COMPOSE, "quart": COMPOSE[ONE]}, "applications"),
    ],
)
def test_a_value_changed_in_compose_alone_is_seen(services: Mapping[str, Any], what: str):
    assert drift(RENDERED, services) == [what]


def test_the_ports_are_those_of_the_applications():
    assert {name: first // 1000 - 10 for name, first in ports.FIRST.items()} == {
        name: each.port - 8000 for name, each in APPLICATIONS.items()
    }


# ------------------------------------------------------------------------------ what the controller believes they run


@pytest.fixture
def layout(tmp_path: Path) -> Installed:
    found = Installed(ROOT, tmp_path)
    own = releases.venv(TREE, found)
    own.mkdir(parents=True)
    (own / environment.STAMP).touch()
    return found


def of_instance(text: str, layout: Installed) -> str:
    link = f"{PREFIX}/replicas/{ONE}-{PORT}"
    return text.replace("%i", str(PORT)).replace(link, f"{layout.releases / TREE}")


def test_a_unit_starts_what_the_native_engine_would(layout: Installed):
    member = Member(f"{ONE}-{PORT}", ONE, PORT, "gunicorn", 2, Release(TREE, "dev"))
    program = replicas.program(member, build({}, {}, ROOT, layout.run), layout)
    unit = of_instance(RENDERED[f"ponte-{ONE}@.service"], layout)

    assert value(unit, "ExecStart").split() == list(program.argv)
    assert value(unit, "WorkingDirectory") == str(program.directory)
    assert value(unit, "TimeoutStopSec") == f"{program.stop_seconds}s"
    assert set(keeper.IN_THE_UNIT) <= set(variables(unit))
    assert variables(unit)["PYTHONPATH"] == program.environment["PYTHONPATH"]


@pytest.mark.parametrize("words", [django.MIGRATE, django.COLLECT])
def test_what_runs_once_is_what_the_native_engine_would_run(layout: Installed, words: tuple[str, ...]):
    program = django.program(TREE, build({}, {}, ROOT, layout.run), layout, *words)
    unit = RENDERED[f"ponte-{words[0]}@.service"].replace("%i", TREE).replace(str(PREFIX), str(layout.run))

    assert value(unit, "ExecStart").split() == list(program.argv)
    assert value(unit, "WorkingDirectory") == str(program.directory)
    assert set(variables(unit)) >= set(program.environment) - {"PATH", "STATIC_ROOT"}
    assert variables(unit)["PYTHONPATH"] == program.environment["PYTHONPATH"]


def test_nginx_and_the_rotation_are_started_as_natively(layout: Installed, nginx: Path):
    given = {"NGINX_BIN": str(nginx)}
    routing = Routing(build(given, given, ROOT, layout.run), layout, keeper.Units(layout))
    unit = RENDERED["ponte-nginx.service"].replace(str(PREFIX), str(layout.run))
    rotation = RENDERED["ponte-rotation.service"].replace(str(PREFIX), str(layout.run))

    ours = value(unit, "ExecStart").replace('"', "").split()
    assert ours[1:] == " ".join(routing.program().argv[1:]).split()
    assert value(unit, "KillSignal") == f"SIG{routing.program().stop_signal}"
    assert value(rotation, "ExecStart").split()[1:3] == list(routing.rotation().argv[1:3])
    assert value(rotation, "ExecStart").split()[4:] == list(routing.rotation().argv[4:])
