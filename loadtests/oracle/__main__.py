"""`python -m loadtests.oracle --host URL --seconds 20`: load on a stack that runs, and one sentence about it."""

import argparse
import signal
import sys
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event
from urllib.parse import urlsplit

from loadtests.__main__ import interrupt
from loadtests.errors import Stop
from loadtests.oracle import Load
from loadtests.services import ONE_OF_EACH, SERVICES

TLS_PORT = 8443
SHOWN = 20  # losses


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="python -m loadtests.oracle", description=__doc__)
    made.add_argument(
        "--host",
        type=address,
        default="http://127.0.0.1:8080",
        metavar="URL",
        help="where the edge answers (%(default)s)",
    )
    made.add_argument(
        "--tls", type=address, metavar="URL", help=f"where it speaks HTTP/2 (port {TLS_PORT} of the same host)"
    )
    made.add_argument("--services", nargs="+", default=[*ONE_OF_EACH.values()], choices=SERVICES)
    made.add_argument("--seconds", type=positive, default=20.0)
    made.add_argument("--rate", type=positive, default=200.0, help="requests/s (%(default)g)")
    made.add_argument("--sockets", type=count, default=50, help="readers of the chat; 0: none (%(default)s)")
    made.add_argument("--edge-log", type=Path, metavar="FILE", help="nginx's access log, to tell what explains a loss")
    made.add_argument("--folder", type=Path, help="keeps what was noted here")
    return made


def address(word: str) -> str:
    parts = urlsplit(word)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise argparse.ArgumentTypeError(f"{word!r} is no address; write http://HOST:PORT")
    return word


def count(word: str) -> int:
    if (value := int(word)) < 0:
        raise ValueError
    return value


def positive(word: str) -> float:
    if not 0 < (value := float(word)) < 1e6:
        raise ValueError
    return value


def run(given: argparse.Namespace, folder: Path) -> int:
    tls = given.tls or f"https://{urlsplit(given.host).hostname}:{TLS_PORT}"
    log = given.edge_log.open(encoding="utf-8") if given.edge_log else None
    with Load(given.host, tls, given.services, given.rate, given.sockets, folder=folder) as load, \
            suppress(KeyboardInterrupt):  # fmt: skip
        Event().wait(given.seconds)
    verdict = load.verdict(log)
    for line in verdict.losses[:SHOWN]:
        print(line)
    print(verdict.sentence())
    return 0 if verdict.clean else 1


def main(words: list[str] | None = None) -> int:
    given = parser().parse_args(words)
    try:
        with TemporaryDirectory() as folder:
            return run(given, given.folder or Path(folder))
    except Stop as stop:
        print(f"oracle: {stop}", file=sys.stderr)
        return stop.code
    except OSError as error:
        print(f"oracle: {error.strerror or error} ({error.filename})", file=sys.stderr)
        return 3


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, interrupt)
    sys.exit(main())
