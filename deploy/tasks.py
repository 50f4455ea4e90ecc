"""Targets that run another tool: tests, checks and load tests."""

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from deploy import environment, launcher
from deploy.choice import choose, compose_lacks, must_run, running
from deploy.console import Console
from deploy.errors import Answer, Refused, impossible
from deploy.ports import allocate, free
from deploy.run import attended, replace, run
from deploy.settings import Settings
from deploy.state import alone
from deploy.variables import SERVICES, VARIABLES, prefix

Words = dict[str, Any]
WHOLE = "tests"
LOCAL = "127.0.0.1"
STACK = "tests/stack"
BOTH = (STACK, "tests/promises")  # what an engine makes a difference to
OF_MACHINE = ("CA_BUNDLE", "NGINX_BIN", "PG_BIN")
MYPY = ("mypy", "--explicit-package-bases")
# (!) They hold a module `app` each: one run of mypy would take them for the same.
HOLDERS = ("flask", "fastapi", "starlette", "quart", "blacksheep", "bottle", "pyramid", "bare_wsgi", "bare_asgi")
# Where each runs.
CHECKS = (
    (".", ("ruff", "format", "--check", ".")),
    (".", ("ruff", "check", ".")),
    (".", ("mypy",)),
    ("apps", (*MYPY, "core", "serve")),
    *((f"apps/{folder}", (*MYPY, "app.py")) for folder in HOLDERS),
    ("apps/django", (*MYPY, "wsgi.py", "asgi.py", "ponte")),
)


def test(settings: Settings, say: Console, words: Words) -> None:
    """Everything natively, then the stack once more in containers; ENGINE= and T= narrow, SERVER= puts others under it."""
    others = other_servers(settings)
    path = words["t"] or (STACK if others else WHOLE)
    if not (settings.root / path.partition("::")[0]).exists():
        raise Refused(f"T={path!r} does not exist; name a file or folder below tests/")
    notes, runs = plan(settings.engine, path, compose_lacks(settings.root))
    # (!) make hands SERVER= on in the environment too, where it would count for services that it does not fit.
    environ = {"TIER": words["tier"], "PONTE_NOTES": "\n".join(notes), "SERVER": "", **others}
    codes = [pytest(settings, environ, where, engine) for engine, where in runs]
    if any(codes):
        raise Answer("tests failed")


def other_servers(settings: Settings) -> dict[str, str]:
    """FLASK_SERVER= and its like as they were given; SERVER= counts for every service that it fits."""
    known = launcher.table(settings.root)
    given = settings.words.get("SERVER", "")
    if given and given not in known["servers"]:
        raise Refused(f"SERVER={given!r} is unknown; choose from {', '.join(known['servers'])}")
    fits = known["servers"][given]["interfaces"] if given else ()
    chosen = {f"{prefix(name)}_SERVER": given for name in SERVICES if known["services"][name]["interface"] in fits}
    chosen |= {name: value for name, value in settings.words.items() if name.endswith("_SERVER")}
    launcher.check(settings.again(chosen, chosen), SERVICES)
    return chosen


def plan(engine: str, path: str, lacking: str) -> tuple[list[str], list[tuple[str, str]]]:
    """(what is left out and why, [(engine, path)])"""
    if engine != "auto":
        return [], [(engine, path)]
    runs = [("native", path)]
    wanted = BOTH if path == WHOLE else (path,)
    if not path.startswith(BOTH) and path != WHOLE:
        return [], runs
    if lacking:
        return [f"{', '.join(wanted)} in containers: {lacking}"], runs
    return [], [*runs, ("compose", " ".join(wanted))]


def pytest(settings: Settings, environ: Mapping[str, str], path: str, engine: str) -> bool:
    """True when it failed; a selection without tests (5) has not."""
    argv = [sys.executable, "-m", "pytest", "-p", "deploy.pytest_notes", "-rs", *path.split(), "--engine", engine]
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


def drill(settings: Settings, say: Console, words: Words) -> None:
    """The list, or one of them on the stack that is up."""
    from loadtests.drills.table import DRILLS

    if not words["drill"]:
        rows = [(name, each.breaks, each.promise, ", ".join(each.engines)) for name, each in DRILLS.items()]
        return say.table(("drill", "breaks", "promises", "engines"), rows)
    with alone(settings.run, f"drill {words['drill']}"):
        engine = must_run(settings, say)
        environment.need(settings.root, "loadtests")
        from loadtests.drills.run import conduct

        conduct(words["drill"], engine, say, [words["service"]] if words["service"] else [], float(words["rate"]))


def bench(settings: Settings, say: Console, words: Words) -> None:
    """As ratios in one run; on a quiet machine, one after the other."""
    argv = [sys.executable, "-m", "pytest", "-o", "python_files=bench_*.py", "-rP", "-q", "tests/bench"]
    if attended(argv, cwd=settings.root):
        raise Answer("a benchmark is beyond its bound")


def experiment(name: str) -> Callable[[Settings, Console, Words], None]:
    """Hands over to the load tests, which end with an exit code of the contract themselves."""

    def run(settings: Settings, say: Console, words: Words) -> None:
        replace([sys.executable, "-m", "loadtests", name, *given(words)], cwd=settings.root)

    return run


def given(words: Words) -> list[str]:
    return [f"{word.upper()}={plain(value)}" for word, value in words.items() if value is not None]


def plain(value: object) -> str:
    return str(int(value)) if isinstance(value, bool) else str(value)


load, scaling, websockets, slow_io = map(experiment, ("load", "scaling", "websockets", "slow-io"))
compare, gate = map(experiment, ("compare", "gate"))


def lost_requests(settings: Settings, say: Console, words: Words) -> None:
    """On a stack of its own."""
    engine, why = choose(settings)
    say(f"engine: {engine} ({why})")
    forget_variables(settings)
    os.environ["ENGINE"] = engine
    experiment("lost-requests")(settings, say, words)


def matrix(settings: Settings, say: Console, words: Words) -> None:
    """Hands over to what boots every pair; it checks the words itself, for the launcher knows the names."""
    forget_variables(settings)
    replace([sys.executable, "-m", "tests.matrix", *given(words)], cwd=settings.root)


def forget_variables(settings: Settings) -> None:
    """What was set for another stack has no say in it, only what this machine needs."""
    kept = {name: settings.given[name] for name in OF_MACHINE if name in settings.given}
    for name in VARIABLES.keys() & os.environ.keys():
        del os.environ[name]
    os.environ.update(kept)


def locust(settings: Settings, say: Console, words: Words) -> None:
    """(!) Locust's page asks for no password and starts load tests, so it listens on this machine only."""
    engine, port = running(settings, say), str(settings.locust_port)
    host = words["host"] or (engine.url() if engine else "")
    if not host:
        raise impossible("nothing is up; start the stack with ./ponte up, or name one with HOST=")
    if not free(LOCAL, settings.locust_port):
        raise impossible(f"LOCUST_PORT {port} on {LOCAL} is taken; choose another LOCUST_PORT, or stop what holds it")
    # In containers the edge cannot reach this machine's loopback; there the profile `loadtest` has the page.
    edge = f", and {engine.url()}/locust/" if engine and engine.name == "native" else ""
    say(f"Locust: http://{LOCAL}:{port}/locust/{edge} (Ctrl-C ends it)")
    argv = [sys.executable, "-m", "locust", "-f", Path("loadtests", "locustfile.py"), "--host", host]
    argv += ["--web-host", LOCAL, "--web-port", port, "--web-base-path", "/locust"]
    replace([*argv, *shared_out(settings, words["processes"])], cwd=settings.root)


def shared_out(settings: Settings, processes: int | None) -> list[str]:
    """(!) Locust's master listens on every address by default."""
    if not processes or processes == 1:
        return []
    port = str(allocate(settings.run, 1)[0])
    return ["--processes", str(processes), "--master-bind-host", LOCAL, "--master-bind-port", port,
            "--master-host", LOCAL, "--master-port", port]  # fmt: skip
