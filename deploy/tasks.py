"""Targets that run another tool: tests, checks and load tests."""

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from deploy.choice import compose_lacks, running
from deploy.console import Console
from deploy.errors import Answer, Refused, impossible
from deploy.run import attended, run
from deploy.settings import Settings

Words = dict[str, Any]
WHOLE = "tests"
STACK = "tests/stack"  # what an engine makes a difference to
MYPY = ("mypy", "--explicit-package-bases")
# Where each runs. (!) apps/flask and its siblings hold a module `app` each: one run would take them for the same.
CHECKS = (
    (".", ("ruff", "format", "--check", ".")),
    (".", ("ruff", "check", ".")),
    (".", ("mypy",)),
    ("apps", (*MYPY, "core", "serve")),
    ("apps/flask", (*MYPY, "app.py")),
    ("apps/fastapi", (*MYPY, "app.py")),
    ("apps/django", (*MYPY, "wsgi.py", "asgi.py", "ponte")),
)


def test(settings: Settings, say: Console, words: Words) -> None:
    """Everything natively, then the stack once more in containers; ENGINE= and T= narrow."""
    path = words["t"] or WHOLE
    if not (settings.root / path.partition("::")[0]).exists():
        raise Refused(f"T={path!r} does not exist; name a file or folder below tests/")
    notes, runs = plan(settings.engine, path, compose_lacks(settings.root))
    environ = {"TIER": words["tier"], "PONTE_NOTES": "\n".join(notes)}
    codes = [pytest(settings, environ, where, engine) for engine, where in runs]
    if any(codes):
        raise Answer("tests failed")


def plan(engine: str, path: str, lacking: str) -> tuple[list[str], list[tuple[str, str]]]:
    """(what is left out and why, [(engine, path)])"""
    if engine != "auto":
        return [], [(engine, path)]
    runs = [("native", path)]
    if not path.startswith(STACK) and path != WHOLE:
        return [], runs
    if lacking:
        return [f"{STACK} in containers: {lacking}"], runs
    return [], [*runs, ("compose", path if path.startswith(STACK) else STACK)]


def pytest(settings: Settings, environ: Mapping[str, str], path: str, engine: str) -> bool:
    """True when it failed; a selection without tests (5) has not."""
    argv = [sys.executable, "-m", "pytest", "-p", "deploy.pytest_notes", "-rs", path, "--engine", engine]
    return attended(argv, cwd=settings.root, env=os.environ | environ) not in (0, 5)


def check(settings: Settings, say: Console, words: Words) -> None:
    """All of them run, so that one call tells everything."""
    failed = [argv[0] for where, argv in CHECKS if found(settings.root, where, argv)]
    if failed:
        raise Answer(f"{' and '.join(dict.fromkeys(failed))} found something")


def found(root: Path, where: str, argv: Sequence[str]) -> bool:
    shared = ["--config-file", str(root / "pyproject.toml"), "--cache-dir", str(root / ".mypy_cache")]
    environ = os.environ | ({"MYPYPATH": str(root / "apps")} if where != "." else {})
    return bool(
        run(
            [sys.executable, "-m", *argv, *(shared if argv[0] == "mypy" else [])], cwd=root / where, env=environ
        ).returncode
    )


def load(settings: Settings, say: Console, words: Words) -> None:
    people = ["--users", str(words["users"]), "--spawn-rate", words["rate"], "--run-time", words["time"]]
    people += ["--processes", str(words["processes"])] if words["processes"] else []
    done = locustfile(settings, say, words, "--headless", "--only-summary", *people)
    if done:
        raise Answer(f"the load test failed (locust ended with {done})")


def locust(settings: Settings, say: Console, words: Words) -> None:
    say(f"Locust: http://{settings.bind_address}:{settings.locust_port} (Ctrl-C ends it)")
    address = ["--web-host", settings.bind_address, "--web-port", str(settings.locust_port)]
    locustfile(settings, say, words, *address)


def locustfile(settings: Settings, say: Console, words: Words, *options: str) -> int:
    host = words["host"] or running_url(settings, say)
    script = Path("loadtests", "locustfile.py")
    argv = [sys.executable, "-m", "locust", "-f", script, "--host", host, *options]
    service = {"SERVICE": words["service"]} if words.get("service") else {}
    return attended(argv, cwd=settings.root, env=os.environ | service)


def running_url(settings: Settings, say: Console) -> str:
    engine = running(settings, say)
    if not engine:
        raise impossible("nothing is up; start the stack with ./ponte up, or name one with HOST=")
    return engine.url()
