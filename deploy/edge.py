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
from deploy.nginx import SOURCE, Nginx, inspect, locate, needs
from deploy.variables import SERVICES, prefix

__all__ = ["Edge", "Nginx", "command", "inspect", "install", "locate", "render", "test", "variables", "workers"]

COPIED = ("nginx.conf", "mime.types", "conf.d", "features", "services", "snippets", "local")
CGROUP = Path("/sys/fs/cgroup")
HSTS_SECONDS = 63072000  # two years, what browsers' preload lists ask for
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
    nginx: Nginx  # the one that will read it
    max_upload: int  # bytes
    status: str  # "127.0.0.1:20009", for monitors on this machine
    cache: Path  # answers of applications that may be kept
    acme: Path  # the webroot of an ACME client
    credentials: Path  # holds certificate.pem, key.pem and, where somebody has to have a password, users
    listen_tls: tuple[str, ...] = ()  # "127.0.0.1:8443"; none: no HTTPS
    https_port: int = 8443  # the one clients name
    http3: bool = False
    http2: frozenset[str] = frozenset()  # services that are spoken to in HTTP/2
    https_redirect: bool = False
    hsts: bool = False
    trusted_proxies: tuple[str, ...] = ()  # CIDRs of load balancers in front
    rate_limit: int = 0  # requests a second of one client; 0: not counted
    connection_limit: int = 0  # requests of one client under way; 0: not counted
    limit_exempt: tuple[str, ...] = ()  # CIDRs that are never counted
    password: bool = False  # credentials/users is there
    release: str = "dev"
    locust: str = "127.0.0.1:8089"  # where Locust's web interface listens while it runs
    unprivileged: bool = field(default_factory=lambda: os.geteuid() != 0)  # nginx is started by no root
    resolver: tuple[str, ...] = ()  # name servers, where members are names rather than addresses
    workers: int = field(default_factory=workers)
    files: int = field(default_factory=open_files)


def render(edge: Edge, out: Path, source: Path = SOURCE) -> None:
    """Writes the whole configuration into `out`; what an earlier one left there goes."""
    values = variables(edge)
    out.mkdir(parents=True, exist_ok=True)
    for folder in (edge.temp, edge.cache, edge.acme):
        folder.mkdir(parents=True, exist_ok=True)
    for name in COPIED:
        _remove(out / name)
    for path, target in _files(source):
        text = path.read_text()
        if not edge.nginx.meets(needs(text), values):
            continue
        (out / target).parent.mkdir(parents=True, exist_ok=True)
        (out / target).write_text(substitute(text, values) if path.suffix == ".template" else text)


def install(edge: Edge, out: Path, binary: Path, source: Path = SOURCE) -> None:
    """Renders beside the old files, tests, and only then puts the new ones in their place."""
    staged = out.with_name(out.name + ".new")
    _remove(staged)
    render(edge, staged, source)
    test(binary, staged)
    out.mkdir(parents=True, exist_ok=True)
    for name in COPIED:
        _remove(out / name)
    for path in list(staged.iterdir()):
        path.replace(out / path.name)  # a folder where none is left, process.conf over the old one
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
        f"PONTE_UPSTREAM_{prefix(name)}": _members(edge.upstreams.get(name, ()), bool(edge.resolver))
        for name in SERVICES
    }
    spoken = {f"PONTE_HTTP2_{prefix(name)}": "1" if name in edge.http2 else "" for name in SERVICES}
    return {**upstreams, **spoken} | {
        "PONTE_USER": _user(edge),
        "PONTE_WORKERS": str(edge.workers),
        "PONTE_FILES": str(edge.files),
        "PONTE_CONNECTIONS": str(edge.files // 2),
        "PONTE_PID": _quotable(edge.pid),
        "PONTE_ERROR_LOG": _quotable(edge.error_log),
        "PONTE_ACCESS_LOG": _quotable(edge.access_log),
        "PONTE_LOG_BUFFER": "64k",
        "PONTE_TEMP": _quotable(edge.temp),
        "PONTE_KEEPALIVE_LOCAL": " local" if edge.http2 else "",
        "PONTE_LOCUST": edge.locust,
        "PONTE_RESOLVER": _resolver(edge.resolver),
        "PONTE_LISTEN": _listen(edge.listen, ""),
        "PONTE_LISTEN_UNKNOWN": _listen(edge.listen, " default_server"),
        "PONTE_LISTEN_TLS": _listen_tls(edge, " default_server", " reuseport default_server"),
        "PONTE_LISTEN_TLS_UNKNOWN": _listen_tls(edge),
        "PONTE_HTTPS_SUFFIX": "" if edge.https_port == 443 else f":{edge.https_port}",
        "PONTE_HTTPS_REDIRECT": "1" if edge.https_redirect else "",
        "PONTE_HTTP3": "1" if edge.http3 else "",
        "PONTE_ALT_SVC": f'h3=":{edge.https_port}"; ma=86400' if edge.http3 else "",
        "PONTE_HSTS": f"max-age={HSTS_SECONDS}" if edge.hsts else "",
        "PONTE_CREDENTIALS": _quotable(edge.credentials),
        "PONTE_SERVER_NAMES": " ".join(dict.fromkeys(map(_name, edge.server_names))),
        "PONTE_REAL_IP": _real_ip(edge.trusted_proxies),
        "PONTE_PROXIES": _geo(edge.trusted_proxies),
        "PONTE_RATE_LIMIT": str(edge.rate_limit or ""),
        "PONTE_RATE_LIMIT_PAGES": str(edge.rate_limit * 2 or ""),
        "PONTE_RATE_LIMIT_SOCKETS": str(edge.rate_limit * 6 or ""),
        "PONTE_CONNECTION_LIMIT": str(edge.connection_limit or ""),
        "PONTE_LIMIT_EXEMPT": _geo(edge.limit_exempt),
        "PONTE_MAX_UPLOAD": str(edge.max_upload),
        "PONTE_PRIVATE": _private(edge),
        "PONTE_STATUS": edge.status,
        "PONTE_RELEASE": edge.release,
        "PONTE_CACHE": _quotable(edge.cache),
        "PONTE_ACME": _quotable(edge.acme),
        "PONTE_MODULES": _quotable(edge.nginx.modules or ""),
        "PONTE_SITE": _quotable(edge.site),
        "PONTE_STATIC": _quotable(edge.static),
        "PONTE_REPORTS": _quotable(edge.reports),
    }


def substitute(template: str, values: Mapping[str, str]) -> str:
    """envsubst with explicit names: everything but ${PONTE_...} stays nginx's own."""
    return re.sub(r"\$\{(PONTE_[A-Z0-9_]+)\}", lambda found: values[found[1]], template)


def _files(source: Path) -> Iterator[tuple[Path, Path]]:
    """Every file of the configuration -> where it goes; templates lose their ending."""
    for name in COPIED:
        found = [source / name] if (source / name).is_file() else sorted((source / name).rglob("*.conf"))
        yield from ((path, path.relative_to(source)) for path in found)
    for path in sorted((source / "templates").rglob("*.template")):
        yield path, path.relative_to(source / "templates").with_suffix("")


def _listen(addresses: tuple[str, ...], words: str) -> str:
    return "\n".join(f"    listen {each}{words};" for each in addresses)


def _listen_tls(edge: Edge, words: str = "", udp: str = "") -> str:
    """(!) reuseport once for a UDP port: without it all packets would go to one worker."""
    over_udp = edge.listen_tls if edge.http3 else ()
    return "\n".join(filter(None, (_listen(edge.listen_tls, f" ssl{words}"), _listen(over_udp, f" quic{udp}"))))


def _geo(networks: tuple[str, ...]) -> str:
    return "\n".join(f"    {each} 1;" for each in networks)


def _real_ip(proxies: tuple[str, ...]) -> str:
    """(!) recursive: of the addresses in X-Forwarded-For the last that is not ours; those before are hearsay."""
    if not proxies:
        return ""
    lines = [*(f"set_real_ip_from {each};" for each in proxies), "real_ip_header X-Forwarded-For;"]
    return "\n".join([*lines, "real_ip_recursive on;"])


def _private(edge: Edge) -> str:
    """(!) A loopback address is everybody's once a load balancer on this machine leads to it."""
    if all(map(_loopback, edge.listen)) and not edge.trusted_proxies:
        return ""
    if not edge.password:
        return "deny all;"
    return f'auth_basic "Ponte";\nauth_basic_user_file "{_quotable(edge.credentials)}/users";'


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
    if edge.unprivileged:
        return ""
    folders = {folder for path in (edge.site, edge.static, edge.temp, edge.cache) for folder in (path, *path.parents)}
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
