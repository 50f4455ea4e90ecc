"""Speaks to Docker: commands in the open, questions quietly, and its complaints as one sentence."""

import ctypes
import os
import re
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from deploy.console import Console, Step
from deploy.errors import Refused, impossible
from deploy.run import quiet, run, show
from deploy.settings import Settings
from deploy.variables import VARIABLES

PROJECT = "com.docker.compose.project"
ONE_OFF = "com.docker.compose.oneoff"
OWN_NAME = VARIABLES["COMPOSE_PROJECT_NAME"].default  # the one that compose.yaml has by itself
KEPT_LINES = 40
CLEAR_LINE = "\x1b[2K"
CA_SOURCES = ("PIP_CERT", "SSL_CERT_FILE")  # what pip believes outside of the build
BY_FILE = ("DATABASE_URL", "SECRET_KEY")
PR_SET_PDEATHSIG = 1
LINUX = ctypes.CDLL(None) if sys.platform == "linux" else None  # loaded before the fork

NO_ENGINE = "no Docker engine answers; start it, on Debian with sudo deploy/images/engine, or use ENGINE=native"
NO_IMAGE = (
    "a base image is not here and no registry gives it; "
    "sudo deploy/images/build makes local stand-ins, or use ENGINE=native"
)
# The first that fits; what Docker says, and what the user can do.
TROUBLES = (
    (r"permission denied.*docker.*sock", "this user may not use the Docker engine; sudo usermod -aG docker $USER, then log in again"),
    (r"cannot connect to the docker daemon|error during connect|is the docker daemon running", NO_ENGINE),
    (r"is not a docker command|unknown (shorthand flag|command).*compose", "Docker has no compose v2; on Debian sudo deploy/images/engine installs it"),
    (r"not a swarm manager|not part of a swarm", "this machine manages no Swarm; docker swarm init makes it the first node of one, or call ./ponte on a manager"),
    (r"no space left on device", "the disk is full; free space (docker system df shows what Docker holds) and try again"),
    (r"port is already allocated|address already in use", "the port of the edge is taken; choose another with HTTP_PORT, or stop what holds it"),
    (r"cannot assign requested address", "BIND_ADDRESS is no address of this machine; choose 127.0.0.1, 0.0.0.0 or one of its own"),
    (r"certificate[_ ]verify[_ ]failed", "the package index shows a certificate pip does not know; name your CA, such as CA_BUNDLE=/etc/ssl/certs/ca-certificates.crt"),
    (r"could not find an available.*address pool|pool overlaps", "Docker has no free network addresses left; docker network prune removes unused networks"),
    (r"no matching distribution|temporary failure in name resolution|newconnectionerror", "no package index answers while the image is built; check the network"),
    (r"failed to resolve source metadata|pull access denied|manifest unknown|failed to do request|registry", NO_IMAGE),
)  # fmt: skip


class Docker:
    """Bound to one project: its folder, its name and the variables compose.yaml reads."""

    def __init__(self, settings: Settings, say: Console):
        self.settings, self.say = settings, say

    @property
    def filters(self) -> tuple[str, ...]:
        """Labels that the project's containers have, and no others."""
        return (f"{PROJECT}={self.settings.project}", f"{ONE_OFF}=False")

    def compose(self, *words: str) -> list[str]:
        project = [] if self.settings.project == OWN_NAME else ["-p", self.settings.project]
        return ["docker", "compose", *project, *self.files(), *words]

    def files(self) -> list[str]:
        return files(self.settings)

    def run(self, *argv: str, text: str = "") -> str:
        """In the open, its own output behind a progress line; a failure ends the command with a sentence."""
        show(argv)
        with self.say.progress(text or " ".join(argv)) as step:
            code, lines = self.follow(argv, step)
        if code:
            raise self.trouble(argv, lines)
        return "\n".join(lines)

    def follow(self, argv: Sequence[str], step: Step) -> tuple[int, list[str]]:
        lines: deque[str] = deque(maxlen=KEPT_LINES)
        with self.started(argv, subprocess.STDOUT) as process:
            for line in process.stdout or ():
                lines.append(line.rstrip())
                step(line.strip()[:100] or "…")
        return process.returncode, list(lines)

    def started(self, argv: Sequence[str], errors: int | None) -> "subprocess.Popen[str]":
        try:
            return subprocess.Popen(
                argv,
                cwd=self.settings.root,
                env=self.environment,
                preexec_fn=end_with_parent,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                errors="replace",
            )
        except FileNotFoundError:
            raise impossible("docker is not installed; use ENGINE=native") from None

    def hand_over(self, argv: Iterable[str], environment: Mapping[str, str] | None = None) -> int:
        """The terminal belongs to the command."""
        return run(list(argv), cwd=self.settings.root, env=environment or self.environment).returncode

    def print(self, argv: list[str]) -> None:
        """For a file or a pipe: Compose 2.26 clears the terminal's line even where there is none."""
        show(argv)
        with self.started(argv, None) as process:
            for line in process.stdout or ():
                self.say.answer(line.rstrip("\n").replace(CLEAR_LINE, ""))

    def ask(self, *argv: str, check: bool = True, errors: int = subprocess.PIPE) -> str:
        asked = quiet(argv, cwd=self.settings.root, env=self.environment, stdout=subprocess.PIPE, stderr=errors)
        if asked.returncode and check:
            raise self.trouble(argv, (asked.stderr or asked.stdout).splitlines())
        return asked.stdout

    def succeeds(self, *argv: str) -> bool:
        return quiet(argv, cwd=self.settings.root, env=self.environment, capture_output=True).returncode == 0

    def trouble(self, argv: Iterable[str], lines: Iterable[str]) -> Refused:
        output = [line for line in lines if line.strip()]
        self.say("\n".join(f"  | {line}" for line in output[-15:]))
        return impossible(sentence(output) or f"{' '.join(list(argv)[:4])} failed; its last lines are above")

    def reason(self, lines: Iterable[str]) -> str:
        return next((line for line in reversed(list(lines)) if line.strip()), "no reason given")

    @property
    def environment(self) -> dict[str, str]:
        return environment(self.settings, os.environ)


def end_with_parent() -> None:
    """A Compose that outlived a killed command would go on beside the next one. (!) Linux only."""
    if LINUX:
        LINUX.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def sentence(output: Iterable[str]) -> str:
    """The mend of the first trouble that the output shows; empty for an unknown one."""
    text = "\n".join(output)
    return next((mend for sign, mend in TROUBLES if re.search(sign, text, re.I)), "")


def files(settings: Settings) -> list[str]:
    """Compose finds compose.yaml by itself, unless others stand on top of it."""
    chosen = {
        "compose.dev.yaml": settings.dev,
        "compose.http3.yaml": settings.http3,
        "deploy/compose/production.yaml": settings.stage == "production",
    }
    beside = [word for name, wanted in chosen.items() if wanted for word in ("-f", name)]
    return ["-f", "compose.yaml", *beside] if beside else []


def environment(settings: Settings, environ: Mapping[str, str]) -> dict[str, str]:
    """What was set and nothing else: an empty variable must not hide the one in .env."""
    others = {name: value for name, value in environ.items() if name not in VARIABLES}
    secrets = {name: contents(settings, name) for name in BY_FILE if f"{name}_FILE" in settings.given}
    ports = {"HTTPS_PORT": str(settings.https_port)} if "HTTP_PORT" in settings.given else {}
    return others | ports | dict(settings.given) | secrets | ca_bundle(settings, environ)


def contents(settings: Settings, name: str) -> str:
    """A file of this machine is none in a container, so what it holds is handed over."""
    path = settings.root / settings.given[f"{name}_FILE"]
    try:
        return path.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise Refused(f"{name}_FILE={str(path)!r} cannot be read ({error})") from None


def ca_bundle(settings: Settings, environ: Mapping[str, str]) -> dict[str, str]:
    """CA_BUNDLE, else the certificates that pip believes outside of the build."""
    given = settings.ca_bundle
    if given and not (settings.root / given).is_file():
        raise Refused(f"CA_BUNDLE={given!r} is no file; name a PEM file such as /etc/ssl/certs/ca-certificates.crt")
    found = [environ[name] for name in CA_SOURCES if Path(environ.get(name) or "/").is_file()]
    return {"CA_BUNDLE": given or found[0]} if given or found else {}
