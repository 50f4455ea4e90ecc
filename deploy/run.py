"""Runs outside commands in the open: each is printed before it runs."""

import shlex
import signal
import subprocess
from collections.abc import Sequence
from typing import Any

from deploy.console import tell
from deploy.errors import impossible

Argv = Sequence[object]  # words and paths


def run(argv: Argv, **options: Any) -> subprocess.CompletedProcess[str]:
    """`subprocess.run` with text; prints `$ the command` on stderr first. Does not check."""
    show(argv)
    return quiet(argv, **options)


def attended(argv: Argv, **options: Any) -> int:
    """For tools that end by themselves on Ctrl-C, with a summary: we only wait for them."""
    before = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        return run(argv, **options).returncode
    finally:
        signal.signal(signal.SIGINT, before)


def quiet(argv: Argv, **options: Any) -> subprocess.CompletedProcess[str]:
    """For questions asked of a tool (versions, states), where printing would only be noise."""
    try:
        return subprocess.run([str(word) for word in argv], text=True, **options)
    except FileNotFoundError:
        raise impossible(f"{argv[0]} is not installed") from None


def show(argv: Argv) -> None:
    tell("$ " + shlex.join(str(word) for word in argv))
