"""Renders nginx/ for this machine, by the same rules as nginx/entrypoint.sh in a container."""

import grp
import ipaddress
import os
import pwd
import re
import resource
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from deploy.errors import Refused, impossible
from deploy.nginx import SOURCE, Nginx, inspect, locate

__all__ = ["Edge", "Nginx", "command", "inspect", "install", "locate", "render", "test", "variables", "workers"]

COPIED = ("nginx.conf", "mime.types", "conf.d", "features", "services", "snippets")
SERVICES = ("flask", "django", "django-asgi", "fastapi", "locust")
CGROUP = Path("/sys/fs/cgroup")
MOST_FILES = 32768  # two descriptors a connection: 8,000 WebSockets in a worker
NAME = re.compile(r"\[[0-9A-Fa-f:.]+\]|(\*?\.)?[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*(\.\*)?\.?")


def workers(cgroup: Path = CGROUP) -> int:
    """One nginx worker a usable processor, or fewer where the cgroup has a quota."""
    usable = len(os.sched_getaffinity(0))
    return min(usable, _quota(cgroup) or usable)


def open_files() -> int:
    """Descriptors a worker may have: a plain user cannot raise the hard limit."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)


@dataclass(frozen=True)
class Edge:
    """What differs between two machines that run the same configuration."""

    listen: tuple[str, ...]  # "127.0.0.1:8080", "[::1]:8080"
    server_names: tuple[str, ...]  # "localhost", "[::1]", "*.example.org"
    upstreams: Mapping[str, tuple[str, ...]]  # service -> "127.0.0.1:20001"; none or () answers 502
    site: Path
    static: Path  # holds django/, Django's collected files
    reports: Path
    temp: Path  # request bodies and large answers wait here
    access_log: Path
    error_log: Path | str  # a file, or "stderr"
    pid: Path
    features: frozenset[str]
    max_upload: int  # bytes
    resolver: tuple[str, ...] = ()  # name servers, where members are names rather than addresses
    workers: int = field(default_factory=workers)
    files: int = field(default_factory=open_files)


def render(edge: Edge, out: Path, source: Path = SOURCE) -> None:
    """Writes the whole configuration into `out`; what an earlier one left there goes."""
    values = variables(edge)
    out.mkdir(parents=True, exist_ok=True)
    edge.temp.mkdir(parents=True, exist_ok=True)
    for name in COPIED:
        _remove(out / name)
    for path in _chosen(source, edge.features):
        target = out / path.relative_to(source)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    for path in sorted((source / "templates").rglob("*.template")):
        target = out / path.relative_to(source / "templates").with_suffix("")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(substitute(path.read_text(), values))


def install(edge: Edge, out: Path, binary: Path, source: Path = SOURCE) -> None:
    """Renders beside the old files, tests, and only then puts the new ones in their place."""
    staged = out.with_name(out.name + ".new")
    _remove(staged)
    render(edge, staged, source)
    test(binary, staged)
    out.mkdir(parents=True, exist_ok=True)
    for path in list(staged.iterdir()):
        _remove(out / path.name)
        path.rename(out / path.name)
    _remove(staged)


def command(binary: Path, out: Path, *words: str) -> list[str]:
    """The line that runs nginx on `out`: add "-t", or "-g", "daemon off;", or "-s", "reload"."""
    # -e: before it has read a configuration nginx logs where it was built to, which may be forbidden.
    return [str(binary), "-e", "stderr", "-p", f"{out}/", "-c", f"{out}/nginx.conf", *words]


def test(binary: Path, out: Path) -> None:
    ran = subprocess.run(command(binary, out, "-q", "-t"), capture_output=True, text=True)
    if ran.returncode:
        raise impossible(f"nginx refuses its configuration: {ran.stderr.strip()}")


def variables(edge: Edge) -> dict[str, str]:
    """Everything a template may use; nginx/entrypoint.sh computes the same names."""
    upstreams = {
        "PONTE_UPSTREAM_" + name.upper().replace("-", "_"): _members(edge.upstreams.get(name, ()), bool(edge.resolver))
        for name in SERVICES
    }
    return upstreams | {
        "PONTE_USER": _user(edge),
        "PONTE_WORKERS": str(edge.workers),
        "PONTE_FILES": str(edge.files),
        "PONTE_CONNECTIONS": str(edge.files // 2),
        "PONTE_PID": _quotable(edge.pid),
        "PONTE_ERROR_LOG": _quotable(edge.error_log),
        "PONTE_ACCESS_LOG": _quotable(edge.access_log),
        "PONTE_TEMP": _quotable(edge.temp),
        "PONTE_RESOLVER": _resolver(edge.resolver),
        "PONTE_LISTEN": "\n".join(f"    listen {each};" for each in edge.listen),
        "PONTE_LISTEN_UNKNOWN": "\n".join(f"    listen {each} default_server;" for each in edge.listen),
        "PONTE_SERVER_NAMES": " ".join(dict.fromkeys(map(_name, edge.server_names))),
        "PONTE_MAX_UPLOAD": str(edge.max_upload),
        "PONTE_PRIVATE": "" if all(map(_loopback, edge.listen)) else "deny all;",
        "PONTE_SITE": _quotable(edge.site),
        "PONTE_STATIC": _quotable(edge.static),
        "PONTE_REPORTS": _quotable(edge.reports),
    }


def substitute(template: str, values: Mapping[str, str]) -> str:
    """envsubst with explicit names: everything but ${PONTE_...} stays nginx's own."""
    return re.sub(r"\$\{(PONTE_[A-Z_]+)\}", lambda found: values[found[1]], template)


def _chosen(source: Path, features: frozenset[str]) -> Iterator[Path]:
    """The files that need no rendering; of features/ those this nginx understands."""
    for name in COPIED:
        found = [source / name] if (source / name).is_file() else sorted((source / name).glob("*"))
        yield from (p for p in found if name != "features" or p.stem in features)


def _members(addresses: tuple[str, ...], named: bool) -> str:
    """`resolve` follows a name as containers come and go; port 1, never tried, keeps an empty group loadable."""
    if not addresses:
        return "    server 127.0.0.1:1 down;"
    resolve = " resolve" if named else ""
    return "\n".join(f"    server {each}{resolve} max_fails=3 fail_timeout=2s;" for each in addresses)


def _resolver(servers: tuple[str, ...]) -> str:
    return f"resolver {' '.join(servers)} valid=1s ipv6=off;" if servers else ""


def _name(name: str) -> str:
    if not NAME.fullmatch(name):
        raise Refused(f"SERVER_NAMES holds {name!r}, which is no host name; write names or [IPv6] without a port")
    return name


def _quotable(path: Path | str) -> str:
    if set('$"\\\n') & set(str(path)):
        raise impossible(
            f"nginx cannot use the path {str(path)!r}: move the checkout to one without $, quotes, backslash"
        )
    return str(path)


def _loopback(listen: str) -> bool:
    host = listen.rpartition(":")[0].strip("[]")
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _user(edge: Edge) -> str:
    """As root, workers become nobody; below a folder closed to nobody (a 0700 home) they have to stay root."""
    if os.geteuid():
        return ""
    folders = {folder for path in (edge.site, edge.static, edge.temp) for folder in (path, *path.parents)}
    reachable = all(folder.stat().st_mode & 0o001 for folder in folders if folder.exists())
    nobody = pwd.getpwnam("nobody" if reachable else "root")
    return f"user {nobody.pw_name} {grp.getgrgid(nobody.pw_gid).gr_name};"


def _quota(cgroup: Path) -> int | None:
    """Whole processors the cgroup grants, rounded up; None without a quota. Version 2, then version 1."""
    for files in (("cpu.max",), ("cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us")):
        try:
            quota, period = " ".join((cgroup / name).read_text() for name in files).split()
        except (OSError, ValueError):
            continue
        return None if quota in ("max", "-1") else -(-int(quota) // int(period))
    return None


def _remove(path: Path) -> None:
    shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink(missing_ok=True)
