"""Runs outside commands in the open: each is printed before it runs."""

import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

from deploy.console import tell
from deploy.errors import impossible

Argv = Sequence[object]  # words and paths


def run(argv: Argv, **options: Any) -> subprocess.CompletedProcess[str]:
    """`subprocess.run` with text; prints `$ the command` on stderr first. Does not check."""
    show(argv)
    return quiet(argv, **options)


def attended(argv: Argv, **options: Any) -> int:
    """For tools that end by themselves on Ctrl-C, with a summary: we only wait for them, and pass SIGTERM on as that."""
    show(argv)
    process = subprocess.Popen([str(word) for word in argv], **options)
    before = [(number, signal.signal(number, handler)) for number, handler in (
        (signal.SIGINT, lambda *_: None), (signal.SIGTERM, lambda *_: process.send_signal(signal.SIGINT)))]  # fmt: skip
    try:
        return process.wait()
    finally:
        for number, handler in before:
            signal.signal(number, handler)


@contextmanager
def undisturbed(*signals: signal.Signals) -> Iterator[None]:
    """What is put right is put right to its end: Ctrl-C and SIGTERM, or the signals named, are not heard meanwhile."""
    numbers = signals or (signal.SIGINT, signal.SIGTERM)
    before = [(number, signal.signal(number, signal.SIG_IGN)) for number in numbers]
    try:
        yield
    finally:
        for number, handler in before:
            signal.signal(number, handler)


def replace(argv: Argv, cwd: Path) -> NoReturn:
    """This process becomes the command: signals, terminal and exit code are its own."""
    show(argv)
    sys.stdout.flush()
    os.chdir(cwd)
    os.execv(str(argv[0]), [str(word) for word in argv])


def quiet(argv: Argv, **options: Any) -> subprocess.CompletedProcess[str]:
    """For questions asked of a tool (versions, states), where printing would only be noise."""
    try:
        return subprocess.run([str(word) for word in argv], text=True, **options)
    except FileNotFoundError:
        raise impossible(f"{argv[0]} is not installed") from None


def show(argv: Argv) -> None:
    tell("$ " + shlex.join(str(word) for word in argv))
