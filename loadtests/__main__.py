"""`python -m loadtests EXPERIMENT NAME=value ...`: what `./ponte load` and its siblings call."""

import signal
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import NoReturn

from loadtests.errors import Stop
from loadtests.experiments import words

EXPERIMENTS = {
    "load": "throughput", "scaling": "scaling", "slow-io": "slow_io", "websockets": "websockets",
    "lost-requests": "lost_requests",
}  # fmt: skip
JUDGES = ("compare", "gate")  # of runs that are stored


def main(argv: Sequence[str]) -> int:
    signal.signal(signal.SIGTERM, interrupt)
    signal.signal(signal.SIGINT, interrupt)  # also where a shell has its background jobs ignore it
    try:
        name, *given = argv
        if name in JUDGES:
            return import_module(f"loadtests.{name}").main(dict(word.partition("=")[::2] for word in given))
        return import_module(f"loadtests.experiments.{EXPERIMENTS[name]}").main(words.parse(given))
    except Stop as error:
        print(f"ponte: {error}", file=sys.stderr)
        return error.code
    except KeyboardInterrupt:
        print("ponte: interrupted", file=sys.stderr)
        return 130
    except OSError as error:  # a full disk, a folder of somebody else
        print(f"ponte: {error.strerror or error}{f' ({error.filename})' if error.filename else ''}", file=sys.stderr)
        return 3


def interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
