"""Who looks over a rendering: nginx itself, gixy, and the rules of this folder."""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

from deploy import edge
from deploy.errors import Failure
from deploy.nginx import Nginx
from tests.config.parsed import parse
from tests.promises.linted.rules import RULES, broken

IMAGE = "nginx:1.30"  # the one nginx/Dockerfile builds on
# An imagined nginx that has everything: each file of features/ is rendered, but those for older ones.
NEWEST = Nginx(
    (1, 31, 7),
    (3, 5),
    frozenset({"--with-http_v3_module", "--with-http_stub_status_module", "--with-http_gzip_static_module"}),
)
# What gixy says and is wrong about: (its check, what it points at) -> why it stays.
SILENCED = {
    ("proxy_pass_normalized", "Found a path after the host in proxy_pass"): "the prefix is taken off a path that was "
    "decoded and cleaned, so that %2e%2e cannot climb over it; applications expect a decoded path",
    ("return_bypasses_allow_deny", "return 403"): "it refuses; our own rule looks for returns that let somebody in",
    (
        "add_header_redefinition",
        "location = /error.416",
    ): "the headers of a 416 are made already; our own rule knows it",
    ("ssl_ecdh_curve", "X25519MLKEM768"): "features/hybrid_curves.conf is rendered for OpenSSL 3.5 and later only",
}


def gixy(out: Path, *words: str) -> dict[str, list[str]]:
    """Its findings, silenced ones among them: check -> where."""
    command = [sys.executable, "-m", "gixy", "-f", "json", *words, str(out / "nginx.conf")]
    said = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert said.returncode in (0, 1) and said.stdout, said.stderr
    found: dict[str, list[str]] = {}
    for each in json.loads(said.stdout):
        found.setdefault(each["plugin"], []).append(f"{each['reason']} {each['config']}")
    return found


def silenced(check: str, where: str) -> bool:
    return any(check == name and part in where for name, part in SILENCED)


def findings(out: Path, *words: str) -> dict[str, list[str]]:
    loud = {
        check: [each for each in places if not silenced(check, each)] for check, places in gixy(out, *words).items()
    }
    return {check: places for check, places in loud.items() if places}


def refused(binary: Path, out: Path) -> dict[str, list[str]]:
    try:
        edge.test(binary, out)
    except Failure as reason:
        return {"nginx": [str(reason)]}
    return {}


def complaints(binary: Path, out: Path, who: str = "") -> dict[str, list[str]]:
    """Everybody's, or those of the one that is asked."""
    asked = {"nginx": lambda: refused(binary, out), "rules": lambda: broken(parse(out)), "gixy": lambda: findings(out)}
    chosen = [kind(who)] if who else list(asked)
    return {name: places for each in chosen for name, places in asked[each]().items()}


def kind(who: str) -> str:
    return who if who == "nginx" else "rules" if who in RULES else "gixy"


def in_a_container(folder: Path) -> Path:
    """An `nginx` that runs in the image, whose modules are all there are; what lies in `folder` it can read."""
    mounts = ["-v", f"{folder}:{folder}", "-v", f"{edge.SOURCE}:{edge.SOURCE}:ro"]
    user = ["--user", f"{os.geteuid()}:{os.getegid()}"]
    run = ["docker", "run", "--rm", "--network", "host", *user, *mounts, "--entrypoint", "nginx", IMAGE]
    program = folder / "nginx-in-a-container"
    program.write_text(f'#!/bin/sh\nexec {shlex.join(run)} "$@"\n')
    program.chmod(0o755)
    return program


def no_container() -> str:
    """Why there is none; empty when there is one."""
    try:
        there = subprocess.run(["docker", "image", "inspect", IMAGE], capture_output=True, timeout=20).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return "no Docker engine answers"
    return "" if there else f"the image {IMAGE} is not here, or no Docker engine answers"
