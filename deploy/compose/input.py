"""What `up` checks before it starts a container: each wrong value ends it with one sentence."""

import json
import os
import stat
from collections.abc import Mapping
from pathlib import Path

from deploy import launcher, limits
from deploy.compose import credentials, pins
from deploy.compose.docker import NO_ENGINE, NO_IMAGE, Docker
from deploy.errors import Refused, impossible
from deploy.ports import refuse_taken
from deploy.settings import Settings
from deploy.variables import SERVICES

Commands = Mapping[str, str]  # service -> what its launcher would run


def check(docker: Docker) -> Commands:
    """Returns what the launcher would run on this machine."""
    settings = docker.settings
    commands = launcher.check(settings, SERVICES)
    refuse_servers_without_image(settings)
    docker.environment  # noqa: B018  (reads the files that variables name)
    refuse_unreadable_sources(settings)
    refuse_missing_engine(docker)
    refuse_missing_images(settings)
    refuse_unreadable_files(settings)
    refuse_taken(settings, by_root=True)
    return commands


def refuse_servers_without_image(settings: Settings) -> None:
    """What pip does not bring is not in the images."""
    for service in SERVICES:
        name = launcher.server(settings, service)
        if program := launcher.table(settings.root)["servers"][name]["program"]:
            raise Refused(f"SERVER={name!r} needs {program[0]}, which the images do not have; use ENGINE=native")


def refuse_unreadable_files(settings: Settings) -> None:
    """What is mounted into a container has to be there, or Docker's own words would be the answer."""
    for name in credentials.FILES:
        path = settings.given.get(name, "")
        if path and not (settings.root / path).is_file():
            raise Refused(f"{name}={path!r} cannot be read: No such file")


def refuse_missing_engine(docker: Docker) -> None:
    docker.ask("docker", "version", "--format", "{{.Server.Version}}")
    docker.ask("docker", "compose", "version")


def refuse_missing_images(settings: Settings) -> None:
    """Asked here, because a build that waits for a dead registry takes minutes to say so; where all is built, nothing is."""
    if pins.read(settings):
        return
    from deploy.choice import compose_lacks

    lacking = compose_lacks(settings.root)
    if lacking:
        raise impossible(NO_ENGINE if "engine" in lacking else f"{lacking}: {NO_IMAGE}")


def refuse_unreadable_sources(settings: Settings) -> None:
    """With DEV=1 the apps read the checkout as a user of their own."""
    if settings.dev and any(map(private, walk(settings.root / "apps"))):
        raise Refused("DEV=1 needs apps/ readable to everybody: chmod -R go+rX apps")


def walk(folder: Path):
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name != "__pycache__"]
        yield from (Path(parent, name) for name in (*folders, *names))


def private(path: Path) -> bool:
    return not path.stat().st_mode & stat.S_IROTH


def check_connections(docker: Docker, counts: Mapping[str, int], commands: Commands) -> None:
    """By this machine's memory first; only a sum too high is worth asking a container, which has less."""
    try:
        limits.check(demands(docker.settings, counts, commands))
    except Refused:
        limits.check(demands(docker.settings, counts, in_container(docker)))


def demands(settings: Settings, counts: Mapping[str, int], commands: Commands) -> dict[str, limits.Demand]:
    return {
        name: limits.Demand(counts[name], launcher.workers(line), int(settings.app("DATABASE_POOL", name)))
        for name, line in commands.items()
    }


def in_container(docker: Docker) -> Commands:
    """The launcher's answers inside of the memory limit of compose.yaml."""
    services = json.loads(docker.ask(*docker.compose("config", "--format", "json")))["services"]
    return {name: launched(docker, name, services[name]) for name in SERVICES}


def launched(docker: Docker, name: str, service: Mapping) -> str:
    given = {key: value for key, value in service["environment"].items() if value and not key.endswith("_FILE")}
    environment = [word for key, value in given.items() for word in ("--env", f"{key}={value}")]
    memory = str(service["deploy"]["resources"]["limits"]["memory"])
    words = ("--rm", "--network=none", f"--memory={memory}", *environment)
    return docker.ask("docker", "run", *words, f"{docker.settings.project}-{name}", name, "--check")
