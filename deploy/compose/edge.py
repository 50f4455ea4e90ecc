"""Gives the running nginx another configuration or other members, without a lost request.

The image's files are read-only, so a changed configuration is unpacked in memory; a restart of the container returns
to the image's. Members are names that nginx looks up. (!) A name answers from before its container
listens until after it has ended, and a request sent to an address without anybody may be lost: so while replicas
come and go, those that stay are written down by address.
"""

import io
import subprocess
import tarfile
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from deploy.compose.containers import Container
from deploy.compose.docker import Docker
from deploy.errors import impossible
from deploy.run import quiet, show
from deploy.tree import files, tree
from deploy.variables import everywhere, prefix

# What nginx/entrypoint.sh reads, as it was set: it has the same defaults.
READ = (
    "SERVER_NAMES",
    "MAX_UPLOAD",
    "STAGE",
    "RELEASE",
    "HTTPS_REDIRECT",
    "HSTS",
    "HTTP3",
    "TRUSTED_PROXIES",
    "RATE_LIMIT",
    "CONNECTION_LIMIT",
    "LIMIT_EXEMPT",
    *everywhere("UPSTREAM_HTTP2"),
)
RUN = "/run/nginx"
IMAGE = "/etc/ponte/nginx"
UNPACK = 'rm -rf "$1.new" && mkdir "$1.new" && tar -x -C "$1.new" && rm -rf "$1" && mv "$1.new" "$1"'
SWEEP = 'for each in "$1"/source.*; do [ "$each" = "$2" ] || rm -rf "$each"; done'
NEWEST = 'ls -d "$1"/source.* 2>/dev/null | tail -n 1'
PINNED = "grep -h '^ *server .*max_fails' \"$1/conf.d/upstreams.conf\" | grep -v ' resolve '; true"
DISK = "/var/cache/ponte"
# On disk, where nginx/entrypoint.sh finds them also after the container was started anew. (!) A link that is renamed: while a
# folder is replaced its files would be 404.
STATIC = """
set -e
link=$1/static-$(hostname)
new=$(mktemp -d "$1/static.XXXXXX")
trap 'rm -rf "$new"' EXIT
cp -r /srv/static/. "$new"
[ ! -d "$link" ] || cp -r "$link/." "$new"
tar -x -C "$new"
chmod 0755 "$new"
ln -s "$new" "$link-next"
mv -T "$link-next" "$link"
trap - EXIT
for each in "$1"/static[.-]*; do [ "$each" = "$new" ] || [ "$each" = "$link" ] || rm -rf "$each"; done
"""
WORKERS = "grep -la '^nginx: worker' /proc/[0-9]*/cmdline 2>/dev/null; true"
# Old workers answer idle keep-alive clients for keepalive_min_timeout; a replica stays until after it.
DRAIN_SECONDS = 6
RELOAD_SECONDS = 10


class Edge:
    def __init__(self, docker: Docker, nginx: Container, release: str = ""):
        self.docker, self.nginx, self.release = docker, nginx, release  # of everything that runs, for the cache

    def take_in(self, checkout: Path) -> None:
        """The checkout's nginx/, rendered and tested beside what runs; one that fails changes nothing."""
        source = f"{RUN}/source.{tree(checkout, ('nginx',))}"
        self.inside(UNPACK, source, input=packed(checkout / "nginx"))
        self.reload(source, {})
        self.inside(SWEEP, RUN, source)

    def route_to(self, members: Iterable[Container], drained: bool = True) -> None:
        """Their services have these members and no others; returns when no worker of nginx thinks otherwise.

        Who only adds members need not wait for old workers.
        """
        lines: dict[str, str] = {}
        for each in members:
            lines[each.service] = lines.get(each.service, named(each)) + self.member(each)
        before = self.reload(self.source(), {f"PONTE_UPSTREAM_{prefix(name)}": text for name, text in lines.items()})
        if drained:
            wait(lambda: not self.workers() & before, DRAIN_SECONDS)

    def route_by_name(self) -> None:
        self.reload(self.source(), {})

    def by_name(self) -> bool:
        """False while replicas change, and after a change that was killed."""
        return not self.inside(PINNED, RUN).strip()

    def add_static(self, files: bytes) -> None:
        """A tar of more of Django's files, beside those of the image: their names carry a hash. The next reload serves them."""
        self.inside(STATIC, DISK, input=files)

    def member(self, each: Container) -> str:
        return f"    server {each.addresses['edge']}:{each.port} max_fails=3 fail_timeout=2s;\n"

    def reload(self, source: str, overrides: Mapping[str, str]) -> set[str]:
        """The workers that are told to end."""
        environment = {**self.variables(source), **overrides}
        words = [word for name, value in environment.items() for word in ("--env", f"{name}={value}")]
        show(["docker", "exec", self.nginx.hostname, "nginx", "-s", "reload"])
        argv = ["docker", "exec", *words, self.nginx.id, "sh", f"{source}/entrypoint.sh", "reload"]
        before = self.workers()
        answer = quiet(argv, env=self.docker.environment, capture_output=True)
        if answer.returncode:
            raise impossible(f"nginx keeps the configuration it has: {answer.stderr.strip()}")
        if not wait(lambda: bool(self.workers() - before), RELOAD_SECONDS):
            raise impossible("nginx has not reloaded; ./ponte logs SERVICE=nginx says why")
        return before

    def variables(self, source: str) -> dict[str, str]:
        settings = self.docker.settings
        site = {} if source == IMAGE else {"PONTE_SITE": f"{source}/site"}
        site |= {"PONTE_RELEASE": self.release} if self.release else {}
        ours = {"BIND_ADDRESS": settings.bind_address, "HTTPS_PORT": str(settings.https_port)}
        return site | ours | {"PONTE_SOURCE": source} | {name: settings.given.get(name, "") for name in READ}

    def source(self) -> str:
        """What a reload has brought, else the image's."""
        return self.inside(NEWEST, RUN).strip() or IMAGE

    def workers(self) -> set[str]:
        """Asked from within: `docker top` needs a `ps` that a small host may not have."""
        return set(self.inside(WORKERS).split())

    def inside(self, script: str, *words: str, input: bytes | None = None) -> str:
        argv = ["docker", "exec", "-i", self.nginx.id, "sh", "-uc", script, "sh", *words]
        done = subprocess.run(argv, env=self.docker.environment, input=input or b"", capture_output=True)
        if done.returncode and input:
            said = done.stderr.decode().strip().partition("\n")[0]
            raise impossible(f"nginx takes no new files: {said}")
        return done.stdout.decode()


def named(each: Container) -> str:
    """Asked for by nobody, but looked up: at a reload nginx takes over what it knows of a name. (!) Without it, going back
    to names would begin with none, and until the name server has answered every request would be a 502.
    """
    return f"    server {each.service}:{each.port} resolve down max_fails=3 fail_timeout=2s;\n"


def wait(done: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not done():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.2)
    return True


def packed(folder: Path) -> bytes:
    """As the image has it: readable to nginx's user, whatever the checkout's umask."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for path in files(folder.parent, (folder.name,)):
            info = archive.gettarinfo(path, str(path.relative_to(folder)))
            info.mode, info.uid, info.gid = 0o644, 0, 0
            with path.open("rb") as file:
                archive.addfile(info, file)
    return buffer.getvalue()
