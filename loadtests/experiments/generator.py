"""One run of the load generator: Locust as anybody would type it, in a process of its own, watched by a meter."""

import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path

from deploy.ports import free_port
from loadtests.errors import Stop
from loadtests.measure import samples
from loadtests.measure.meter import Meter
from loadtests.measure.samples import Samples

ROOT = Path(__file__).resolve().parent.parent.parent
SCRIPT = Path("loadtests", "locustfile.py")
START_SECONDS = 1.5  # what Locust takes to begin and to end; part of the time left that is shown
DRAIN_SECONDS = 10  # for what is still under way after the last stage
SPARE_SECONDS = 30  # Locust ends a run that does not end by itself
TICK_SECONDS = 0.1
TROUBLE = re.compile(r"^(?:locust: |\[[^]]*\] [^/]*/ERROR/[^:]*: )(.+)", re.M)


@dataclass(frozen=True)
class Step:
    """One stage of a load: its name, how long, and arrivals a second."""

    name: str
    seconds: float
    rate: float


@dataclass(frozen=True)
class Load:
    """What is asked of one service: steps of arrivals, or `users` that ask as fast as they are answered."""

    url: str
    service: str
    mix: str = "visit"
    steps: Sequence[Step] = ()
    users: int = 0
    seconds: float = 0.0  # of a closed load
    processes: int = 1
    arrivals: str = "poisson"

    @property
    def length(self) -> float:
        return START_SECONDS + (sum(step.seconds for step in self.steps) or self.seconds)

    def argv(self, file: Path) -> list[str]:
        return [sys.executable, "-m", "locust", "-f", str(SCRIPT), *self.crowd(), "-r", "100000", "--host", self.url,
                "--service", self.service, "--mix", self.mix, "--arrivals", self.arrivals, "--headless", "--only-summary",
                "-t", f"{ceil(self.length) + SPARE_SECONDS}s", "-s", str(DRAIN_SECONDS), "--exit-code-on-error", "0",
                "--samples", str(file), *shared_out(self.processes)]  # fmt: skip

    def crowd(self) -> list[str]:
        """(!) Locust spreads users over processes, and each open-model user is a source of its own: rates are shared out."""
        if not self.steps:
            return ["ClosedVisitor", "--seconds", f"{self.seconds:g}", "-u", str(self.users)]
        stages = ",".join(f"{step.seconds:g}@{step.rate / self.processes:.6f}" for step in self.steps)
        return ["OpenVisitor", "--stages", stages, "-u", str(self.processes)]


def shared_out(processes: int) -> list[str]:
    """(!) Locust's master listens on every address by default, always on the same port."""
    if processes == 1:
        return []
    here = ["127.0.0.1", "--master-port", str(free_port())]
    return [
        "--processes",
        str(processes),
        "--master-host",
        *here,
        "--master-bind-host",
        here[0],
        "--master-bind-port",
        here[-1],
    ]


class Interrupted(Exception):
    """Ctrl-C at a moment of the monotonic clock; holds what was measured until then."""

    def __init__(self, kept: Samples, at: float):
        self.kept, self.at = kept, at


def generate(
    load: Load, file: Path, meter: Meter | None = None, tick: Callable[[float], None] = lambda s: None
) -> Samples:
    """Runs the load; `tick` hears how many seconds are gone. Raises Stop, or Interrupted with the samples so far."""
    log = file.with_suffix(".log")
    argv = load.argv(file)
    print("$ " + shlex.join(argv), file=log.open("w"))
    with log.open("a") as output:
        process = subprocess.Popen(argv, cwd=ROOT, stdout=output, stderr=output, start_new_session=True)
    try:
        if meter:
            meter.generator(process.pid)
        begun = time.monotonic()
        while process.poll() is None:
            tick(time.monotonic() - begun)
            time.sleep(TICK_SECONDS)
    except KeyboardInterrupt:
        at = time.monotonic()
        process.send_signal(signal.SIGINT)
        wait(process)
        raise Interrupted(collected(file), at) from None
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    if process.returncode:
        raise Stop(trouble(log.read_text(errors="replace")), 2 if process.returncode == 1 else 3)
    return collected(file)


def wait(process: subprocess.Popen) -> None:
    try:
        process.wait(DRAIN_SECONDS + 5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def collected(file: Path) -> Samples:
    return samples.load(file) if file.exists() else samples.merged([])


def trouble(output: str) -> str:
    found = TROUBLE.findall(output)
    return f"the load generator failed: {found[-1] if found else output.strip().rpartition(chr(10))[2]}"
