"""Ports on 127.0.0.1 that nobody else uses: from a place of the checkout's own, probed before use."""

import errno
import socket
from collections.abc import Collection, Iterator
from hashlib import sha256
from itertools import cycle
from pathlib import Path
from random import randrange

from deploy.errors import impossible
from deploy.settings import Settings

LOOPBACK = "127.0.0.1"
LOW, HIGH = 20000, 32000  # below Linux's default range for outgoing connections, 32768 to 60999
TRIAL_LOW = 11000
EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")
OBSTACLES = {
    errno.EADDRINUSE: "port {port} on {host} is taken; choose another with {variable}, or stop what holds it",
    errno.EACCES: "port {port} is for root alone; choose {variable} above 1023",
    errno.EADDRNOTAVAIL: "BIND_ADDRESS={host} is no address of this machine; choose 127.0.0.1, 0.0.0.0 or one it has",
}


def home(run: Path) -> int:
    """Where this run folder begins to look: two checkouts rarely look at the same place."""
    return LOW + int(sha256(str(run).encode()).hexdigest(), 16) % (HIGH - LOW)


def candidates(start: int, low: int = LOW, high: int = HIGH) -> Iterator[int]:
    yield from range(start, high)
    yield from range(low, start)


TRIALS = cycle(candidates(randrange(TRIAL_LOW, LOW), TRIAL_LOW, LOW))  # for free_port


def allocate(run: Path, count: int, taken: Collection[int] = ()) -> list[int]:
    """`count` free ports, none of them `taken` and none the kernel gives to outgoing connections."""
    first, last = ephemeral()
    found: list[int] = []
    for port in candidates(home(run)):
        if len(found) == count:
            return found
        if port not in taken and not first <= port <= last and free(LOOPBACK, port):
            found.append(port)
    raise impossible(f"no {count} free ports between {LOW} and {HIGH}; stop what holds them")


def ephemeral(path: Path = EPHEMERAL) -> tuple[int, int]:
    """The kernel's range, unless it covers all of ours: then probing alone has to do."""
    try:
        first, last = map(int, path.read_text().split())
    except (OSError, ValueError):
        return 0, -1
    return (0, -1) if first <= LOW and last >= HIGH else (first, last)


def free_port(host: str = LOOPBACK) -> int:
    """For what is started to be tried or measured: below those of stacks, and not given again before all others were.

    Raises OSError when `host` is no address of this machine.
    """
    listen(host, 0)
    return next(port for port in TRIALS if free(host, port))


def free(host: str, port: int) -> bool:
    """Could a server listen there now?"""
    return not obstacle(host, port)


def obstacle(host: str, port: int, variable: str = "HTTP_PORT") -> str:
    """Why no server could listen there now; empty when one could."""
    try:
        listen(host, port)
    except OSError as error:
        sentence = OBSTACLES.get(error.errno or 0, f"port {{port}} on {{host}} cannot be used: {error.strerror}")
        return sentence.format(host=host, port=port, variable=variable)
    return ""


def of_the_edge(settings: Settings) -> tuple[tuple[str, int], ...]:
    """(variable, port), each of them on BIND_ADDRESS."""
    return ("HTTP_PORT", settings.http_port), ("HTTPS_PORT", settings.https_port)


def refuse_taken(settings: Settings, by_root: bool = False) -> None:
    """`by_root`: Docker's engine listens there, for anybody; a port that we may not even try is left to it."""
    for variable, port in of_the_edge(settings):
        why = obstacle(settings.bind_address, port, variable)
        if why and not (by_root and why == OBSTACLES[errno.EACCES].format(port=port, variable=variable)):
            raise impossible(why)


def listen(host: str, port: int) -> None:
    """SO_REUSEADDR, as servers set it: what is left of closed connections is no obstacle."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((host, port))
        probe.listen(1)
