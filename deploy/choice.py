"""Which engine: the one that runs already, the one that was named, or the one that fits."""

import re
from collections.abc import Iterator
from pathlib import Path
from subprocess import TimeoutExpired

from deploy import state
from deploy.console import Console
from deploy.engines import ENGINES
from deploy.engines.base import Engine
from deploy.errors import Failure, impossible
from deploy.run import quiet
from deploy.settings import Settings

REGISTRY_SECONDS = 5
KEEPER_SOCKET = "supervisor/rpc.sock"
NOTHING_UP = "nothing is up; start the stack with ./ponte up"


def choose(settings: Settings) -> tuple[str, str]:
    """(engine, why)"""
    if settings.engine != "auto":
        return settings.engine, "ENGINE names it"
    lacking = compose_lacks(settings.root)
    if lacking:
        return "native", lacking
    return "compose", "a Docker engine answers and has, or can get, the base images"


def compose_lacks(root: Path) -> str:
    """Why compose cannot run here; empty when it can."""
    if lacking := engine_lacks():
        return lacking
    absent = [image for image in base_images(root) if not answers("docker", "image", "inspect", image)]
    if absent and not answers("docker", "manifest", "inspect", absent[0]):
        return f"{absent[0]} is not here and no registry answers within {REGISTRY_SECONDS} s"
    return ""


def engine_lacks() -> str:
    """Why no container can be asked for; empty when they can."""
    if not answers("docker", "version", "--format", "{{.Server.Version}}"):
        return "no Docker engine answers"
    return "" if answers("docker", "compose", "version") else "Docker has no compose v2"


def answers(*argv: str, seconds: float = REGISTRY_SECONDS) -> bool:
    try:
        return quiet(argv, capture_output=True, timeout=seconds).returncode == 0
    except (TimeoutExpired, Failure):
        return False


def base_images(root: Path) -> list[str]:
    """What `FROM` and `image:` lines name, without our own stages and images."""
    return sorted({image for path in _image_files(root) for image in _images(path.read_text())})


def _image_files(root: Path) -> Iterator[Path]:
    for name in ("apps/Dockerfile", "nginx/Dockerfile", "compose.yaml"):
        if (root / name).is_file():
            yield root / name


def _images(text: str) -> set[str]:
    stages = set(re.findall(r"^FROM\s.*\sAS\s+(\S+)", text, re.M | re.I))
    named = set(re.findall(r"^\s*(?:FROM(?:\s+--\S+)*|image:)\s+(\S+)", text, re.M))
    return {name for name in named - stages if "$" not in name and name != "scratch"}


def running(settings: Settings, say: Console) -> Engine | None:
    """The engine of the stack that is up: .run/ knows, else `docker compose ps` does."""
    known = recorded(settings, say)
    if known:
        return ENGINES[known](settings, say)
    if (settings.root / "compose.yaml").is_file() and _compose_runs(settings):
        return ENGINES["compose"](settings, say)
    return None


def recorded(settings: Settings, say: Console) -> str | None:
    try:
        found = state.read(settings.run)
    except state.Damaged:
        say(f"{settings.run.name}/state.json is damaged; looking at what runs instead")
        found = None
    if found and found["engine"] in ENGINES:
        return found["engine"]
    return "native" if (settings.run / KEEPER_SOCKET).exists() else None


def _compose_runs(settings: Settings) -> bool:
    argv = ("docker", "compose", "--project-directory", str(settings.root), "-p", settings.project)
    try:
        asked = quiet((*argv, "ps", "-q"), capture_output=True, timeout=REGISTRY_SECONDS)
    except (TimeoutExpired, Failure):
        return False
    return asked.returncode == 0 and bool(asked.stdout.strip())


def must_run(settings: Settings, say: Console) -> Engine:
    engine = running(settings, say)
    if engine is None:
        raise impossible(NOTHING_UP)
    return engine
