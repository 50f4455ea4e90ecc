"""Options of the suite, and the stack the tests of tests/stack/ run against."""

import os
import signal
from collections.abc import Iterator

import pytest

pytest.register_assert_rewrite("tests.config.edge", "tests.contract", "tests.waiting", "tests.wire")

from tests import engine  # noqa: E402

# (!) A shell's background jobs ignore Ctrl-C, and so would everything that tests start and interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)
LOG_LINES = 15
QUIET = '"level": "info"'


def pytest_addoption(parser: pytest.Parser) -> None:
    default = os.environ.get("ENGINE") or "native"
    parser.addoption(
        "--engine", default=default, choices=("native", "compose", "swarm", "auto"), help="what runs the stack"
    )
    parser.addoption("--no-skip", action="store_true", help="fail, not skip, where the engine is missing")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "full: takes long; runs with TIER=full")
    config.addinivalue_line("markers", "asks(path): what a test asks for beside its parameter `path`")
    config.addinivalue_line("markers", "sockets: opens WebSockets, which a server may not have")
    config.addinivalue_line("markers", "own_stack: breaks or stops the stack; not with PONTE_URL")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if os.environ.get("TIER") == "full":
        return
    for item in items:
        if item.get_closest_marker("full"):
            item.add_marker(pytest.mark.skip(reason="takes long: TIER=full runs it"))


@pytest.fixture(scope="session")
def stack(request: pytest.FixtureRequest) -> Iterator[engine.Stack]:
    """A real stack for the whole session: our own, or the one at PONTE_URL."""
    if url := os.environ.get("PONTE_URL"):
        yield engine.already_up(url)
        return
    started = engine.own(chosen(request.config))
    answer = engine.start(started)
    try:
        if answer.returncode:
            pytest.fail(f"./ponte up ended with {answer.returncode}:\n{answer.stdout[-4000:]}\n{answer.stderr[-4000:]}")
        yield started
        if request.session.testsfailed:
            print_logs(started)
    finally:
        engine.remove(started)


def chosen(config: pytest.Config) -> str:
    name = config.getoption("--engine")
    if name == "auto":
        name = "native" if engine.unavailable("compose") else "compose"
    if reason := engine.unavailable(name):
        (pytest.fail if config.getoption("--no-skip") else pytest.skip)(f"{name}: {reason}")
    return name


def print_logs(started: engine.Stack) -> None:
    for service in ("nginx", "postgres", "flask", "django", "django-asgi", "fastapi"):
        lines = [line for line in started.logs(service).splitlines() if QUIET not in line][-LOG_LINES:]
        print(f"--- {service}", *lines, sep="\n")
