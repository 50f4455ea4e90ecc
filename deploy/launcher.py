"""Asks the launcher (`python -m serve`), the one place that knows servers, about the settings."""

import json
import os
import re
import sys
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

from deploy.errors import Refused
from deploy.run import quiet
from deploy.settings import Settings

APPS = "apps"


@cache
def table(root: Path) -> dict[str, Any]:
    """{"services": {...}, "servers": {...}} as the launcher prints it."""
    asked = _serve(root, {}, "--table")
    if asked.returncode:
        raise Refused(f"python -m serve --table failed: {asked.stderr.strip()}")
    return json.loads(asked.stdout)


def server(settings: Settings, service: str) -> str:
    return settings.app("SERVER", service) or table(settings.root)["services"][service]["default"]


def packages(settings: Settings, services: Iterable[str]) -> tuple[str, ...]:
    """The requirement sets of the chosen servers, beside `apps`; a release of before had no other."""
    known = table(settings.root)["servers"]
    needed = [known.get(server(settings, each), {}).get("packages", APPS) for each in services]
    return tuple(name for name in dict.fromkeys(needed) if name != APPS)


def check(settings: Settings, services: tuple[str, ...]) -> dict[str, str]:
    """The command line of each service; the first wrong value ends the command with exit 2."""
    with ThreadPoolExecutor(4) as pool:
        lines = pool.map(lambda service: _check(settings, service), services)
        return dict(zip(services, lines, strict=True))


def _check(settings: Settings, service: str) -> str:
    asked = _serve(settings.root, settings.app_environment, service, "--check")
    if asked.returncode:
        raise Refused(_last_line(asked.stderr).removeprefix("serve: ") or f"{service} refuses its settings")
    return asked.stdout


def workers(command: str) -> int:
    """The launcher always passes them as a flag; a server without one has one."""
    found = re.findall(r"--(?:workers|processes)[ =](\d+)", command)
    return max(1, int(found[-1])) if found else 1  # 0: in the process itself


def _serve(root: Path, environment: Mapping[str, str], *words: str) -> CompletedProcess[str]:
    return _asked(root, tuple(environment.items()), words)


@cache
def _asked(root: Path, environment: tuple[tuple[str, str], ...], words: tuple[str, ...]) -> CompletedProcess[str]:
    environ = {"PATH": os.environ.get("PATH", ""), "PYTHONPATH": str(root / "apps")} | dict(environment)
    return quiet([sys.executable, "-m", "serve", *words], cwd=root / "apps", env=environ, capture_output=True)


def _last_line(text: str) -> str:
    return text.strip().rpartition("\n")[2]
