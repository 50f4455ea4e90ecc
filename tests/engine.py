"""A real stack under test: started by ./ponte under a project name, a run folder and ports of its own."""

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from deploy.ports import free_port
from tests.contract import ROOT

RUNS = ".run/tests"
UP_SECONDS = 900  # a first run builds images and installs dependencies
WORD_SECONDS = 180
ENDED_BY = {"swarm": "clean"}  # `down` would keep its volumes, which nothing here removes
DOCKER = {
    ("docker", "version"): "no Docker engine answers",
    ("docker", "compose", "version"): "docker compose v2 is not installed",
}
# Engine -> a command that has to succeed, and what it means when it does not.
NEEDS = {
    "native": {},
    "compose": DOCKER,
    "swarm": {**DOCKER, ("docker", "node", "ls"): "this machine manages no Swarm: docker swarm init"},
}


@dataclass
class Stack:
    engine: str
    url: str
    ours: bool  # started by this run, so that it may be broken and taken down
    environ: dict[str, str] = field(default_factory=dict)
    root: Path = ROOT

    @property
    def home(self) -> Path:
        """Everything this run wrote for it."""
        return ROOT / self.environ["PONTE_RUN"] if self.root == ROOT else self.root

    @property
    def address(self) -> tuple[str, int]:
        parts = urlsplit(self.url)
        return parts.hostname or "", parts.port or 80

    @property
    def tls_address(self) -> tuple[str, int]:
        return self.address[0], int(self.environ.get("HTTPS_PORT", 8443))

    @property
    def tls_url(self) -> str:
        host, port = self.tls_address
        return f"https://{host}:{port}"

    def ponte(self, *words: str, seconds: float = WORD_SECONDS, **environ: str) -> subprocess.CompletedProcess[str]:
        """One call of the front door, as a user would type it."""
        process = self.begin(*words, **environ)
        try:
            out, err = process.communicate(timeout=seconds)
        except BaseException:
            process.kill()
            raise
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def begin(self, *words: str, stdin: int | None = None, **environ: str) -> subprocess.Popen[str]:
        merged = {**os.environ, **self.environ, **environ}
        streams = {"stdin": stdin, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        return subprocess.Popen([str(self.root / "ponte"), *words], cwd=self.root, env=merged, **streams)

    def psql(self, statements: str) -> str:
        """What they show, without headings."""
        script = f"\\set ON_ERROR_STOP on\n\\pset tuples_only on\n{statements}\n"
        with self.begin("psql", stdin=subprocess.PIPE) as process:
            shown, errors = process.communicate(script, WORD_SECONDS)
        assert process.returncode == 0, errors
        return shown

    def ps(self) -> list[dict[str, Any]]:
        answer = self.ponte("ps", "FORMAT=json")
        assert answer.returncode == 0, answer.stderr
        return json.loads(answer.stdout)

    def replicas(self, service: str) -> list[dict[str, Any]]:
        return [row for row in self.ps() if row["service"] == service]

    def logs(self, service: str) -> str:
        answer = self.ponte("logs", f"SERVICE={service}")
        return answer.stdout + answer.stderr


def already_up(url: str) -> Stack:
    """The stack a person started in this checkout; its engine is found by ./ponte itself."""
    return Stack(os.environ.get("ENGINE", "unknown"), url.rstrip("/"), ours=False)


def own(engine: str, number: int | None = None) -> Stack:
    """A stack of this test run: two runs in one checkout do not meet, and who left one behind can be told."""
    number = number or os.getpid()
    checkout = hashlib.sha256(str(ROOT).encode()).hexdigest()[:8]
    port = str(free_port())
    environ = {"ENGINE": engine, "COMPOSE_PROJECT_NAME": f"ponte-test-{engine}-{checkout}-{number}", "HTTP_PORT": port}
    environ |= {"HTTPS_PORT": str(free_port()), "PONTE_RUN": f"{RUNS}/{engine}-{number}"}
    return Stack(engine, f"http://127.0.0.1:{port}", ours=True, environ=environ)


def elsewhere(stack: Stack, **environ: str) -> Stack:
    """A second stack of the same engine, from a checkout of its own that a test may edit."""
    other = own(stack.engine)
    name = f"{stack.environ['COMPOSE_PROJECT_NAME']}-copy"
    given = {**other.environ, "COMPOSE_PROJECT_NAME": name, "PONTE_RUN": ".run", **environ}
    return replace(other, environ=given, root=stack.home / "checkout")


def check_out(stack: Stack) -> None:
    left_out = shutil.ignore_patterns(".*_cache", ".git", ".env", ".run", "__pycache__", "reports")
    shutil.copytree(ROOT, stack.root, ignore=left_out)
    (stack.root / "reports").mkdir()
    (stack.root / ".run").mkdir()
    (stack.root / ".run" / "venv").symlink_to(ROOT / ".run" / "venv")


def start(stack: Stack) -> subprocess.CompletedProcess[str]:
    for left in left_behind():
        remove(left)
    return stack.ponte("up", seconds=UP_SECONDS)


def left_behind() -> Iterator[Stack]:
    """Stacks of test runs that were killed."""
    for folder in (ROOT / RUNS).glob("*-[0-9]*"):
        engine, _, number = folder.name.partition("-")
        if not Path("/proc", number).exists():
            yield own(engine, int(number))


def remove(stack: Stack) -> None:
    """Takes the stack down with its data; the run folder and the project name are ours alone."""
    if (second := elsewhere(stack)).root.exists():
        remove(second)
    stack.ponte(ENDED_BY.get(stack.engine, "down"))
    if stack.engine == "compose":
        command = ["docker", "compose", "-p", stack.environ["COMPOSE_PROJECT_NAME"], "down"]
        leave_nothing = ["--volumes", "--remove-orphans", "--rmi", "local"]  # local: images named after the project
        subprocess.run([*command, *leave_nothing], cwd=stack.root, capture_output=True, timeout=WORD_SECONDS)
        ours = f"--filter=label=com.docker.compose.project={stack.environ['COMPOSE_PROJECT_NAME']}"
        listed = subprocess.run(["docker", "image", "ls", "--quiet", ours], capture_output=True, text=True)
        subprocess.run(["docker", "image", "rm", "--force", *listed.stdout.split()], capture_output=True)
    shutil.rmtree(stack.home, ignore_errors=True)


def unavailable(engine: str) -> str:
    """Why an engine cannot be used on this machine; empty when it can."""
    for command, reason in NEEDS[engine].items():
        if not shutil.which("docker") or subprocess.run(command, capture_output=True).returncode:
            return reason
    return ""
