"""A Swarm of this machine, or of several nodes on it: a Docker daemon in a network namespace each, joined by a bridge.

The latter needs root. Everything is named after this process, and gone with the block.
"""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp

import pytest

from tests.engine import unavailable
from tests.waiting import until

NETWORK = "10.231.7"
HERE = f"{NETWORK}.254"  # this machine's end of the bridge
# (!) Not `ip netns exec`, which would hide the control groups. A tmpfs, because every daemon has files of one name there.
DAEMON = """
hostname {name}
mount -t tmpfs tmpfs /var/run/docker
exec dockerd --host unix://{folder}/docker.sock --data-root {folder}/data --exec-root {folder}/exec \\
    --pidfile {folder}/pid --insecure-registry {here}:{port}
"""


@pytest.fixture(scope="module")
def swarm_of_one() -> Iterator[None]:
    """This machine alone: `docker swarm init` where it is in no Swarm, and left afterwards."""
    if reason := unavailable("compose"):
        pytest.skip(f"swarm: {reason}")
    ours = bool(unavailable("swarm"))
    if ours:
        subprocess.run(["docker", "swarm", "init", "--advertise-addr", "127.0.0.1"], check=True, capture_output=True)
    yield
    if ours:
        subprocess.run(["docker", "swarm", "leave", "--force"], check=True, capture_output=True)


@dataclass(frozen=True)
class Node:
    name: str
    address: str
    folder: Path
    daemon: "subprocess.Popen[bytes]"

    @property
    def host(self) -> str:
        """For DOCKER_HOST."""
        return f"unix://{self.folder}/docker.sock"

    def docker(self, *words: str, check: bool = True, **options: object) -> str:
        command = ["docker", "--host", self.host, *words]
        done = subprocess.run(command, check=check, capture_output=True, text=True, **options)  # type: ignore[call-overload]
        return done.stdout.strip()

    def lose(self) -> None:
        """All its processes at once, the daemon first: nobody is told."""
        self.daemon.kill()
        for pid in run("ip", "netns", "pids", self.name).split():
            kill(int(pid))
        for path in self.folder.glob("exec/**/init.pid"):
            kill(int(path.read_text()))
        self.daemon.wait(20)


def kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def run(*words: str, check: bool = True) -> str:
    return subprocess.run(words, check=check, capture_output=True, text=True).stdout


@contextmanager
def swarm(count: int, port: int) -> Iterator[list[Node]]:
    """The first one is the manager; `port`: of a registry at HERE that they all believe."""
    if os.geteuid():
        pytest.skip("network namespaces need root")
    if not shutil.which("dockerd") or not shutil.which("ip"):
        pytest.skip("dockerd or ip is not installed")
    with ExitStack() as undo:
        bridge = f"pn{os.getpid()}"[:15]
        joined(bridge, undo)
        nodes = [started(f"{bridge}-{number}", number, bridge, port, undo) for number in range(1, count + 1)]
        for each in nodes:
            until(lambda each=each: each.docker("version", check=False), 60)  # type: ignore[misc]
        nodes[0].docker("swarm", "init", "--advertise-addr", nodes[0].address)
        token = nodes[0].docker("swarm", "join-token", "--quiet", "worker")
        for each in nodes[1:]:
            each.docker("swarm", "join", "--token", token, "--advertise-addr", each.address, f"{nodes[0].address}:2377")
        yield nodes


def joined(bridge: str, undo: ExitStack) -> None:
    run("ip", "link", "add", bridge, "type", "bridge")
    undo.callback(run, "ip", "link", "del", bridge, check=False)
    run("ip", "addr", "add", f"{HERE}/24", "dev", bridge)
    run("ip", "link", "set", bridge, "up")
    rule = ("FORWARD", "--in-interface", bridge, "--out-interface", bridge, "--jump", "ACCEPT")
    run("iptables", "--insert", *rule)  # (!) Docker on this machine drops what it does not know
    undo.callback(run, "iptables", "--delete", *rule, check=False)


def started(name: str, number: int, bridge: str, port: int, undo: ExitStack) -> Node:
    folder = Path(mkdtemp(prefix=f"{name}-"))
    undo.callback(shutil.rmtree, folder, ignore_errors=True)
    address = f"{NETWORK}.{number}"
    run("ip", "netns", "add", name)
    undo.callback(run, "ip", "netns", "del", name, check=False)
    run("ip", "link", "add", f"v{name}"[:15], "type", "veth", "peer", "name", "eth0", "netns", name)
    run("ip", "link", "set", f"v{name}"[:15], "master", bridge, "up")
    for words in (
        ("addr", "add", f"{address}/24", "dev", "eth0"),
        ("link", "set", "eth0", "up"),
        ("link", "set", "lo", "up"),
        ("route", "add", "default", "via", HERE),
    ):
        run("ip", "-n", name, *words)
    script = DAEMON.format(name=name, folder=folder, here=HERE, port=port)
    command = ["nsenter", f"--net=/var/run/netns/{name}", "unshare", "--uts", "--mount", "bash", "-euc", script]
    with (folder / "log").open("wb") as log:
        node = Node(name, address, folder, subprocess.Popen(command, stdout=log, stderr=log))
    undo.callback(stopped, node)
    return node


def stopped(node: Node) -> None:
    if node.daemon.poll() is None:
        node.docker("swarm", "leave", "--force", check=False)
        node.daemon.terminate()
        node.daemon.wait(60)
    for mount in [
        line.split()[1] for line in Path("/proc/mounts").read_text().splitlines() if str(node.folder) in line
    ]:
        run("umount", "--lazy", mount, check=False)
