"""A Debian of its own, booted by systemd in namespaces of this machine; on its network, so that a test reaches it."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from deploy.environment import digest
from tests.contract import ROOT
from tests.waiting import until

KEPT = ROOT / ".run" / "machine"
SUITE, PYTHON = "bookworm", "3.11"
PACKAGES = "systemd,systemd-sysv,dbus,python3,python3-venv,ca-certificates"
LOCKS = ("deploy", "deploy/native", "nginx", "apps")
CHECKOUT = "/srv/ponte"
ENVIRON = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "/wheels"}
CGROUPS = Path("/sys/fs/cgroup")
BOOT_SECONDS, WORD_SECONDS = 60, 300


def lacking() -> str:
    """Why there can be none here; empty when there can."""
    if os.geteuid():
        return "this is not root, who alone may boot a machine in namespaces"
    missing = [name for name in ("mmdebstrap", "unshare", "nsenter") if not shutil.which(name)]
    if missing:
        return f"{missing[0]} is not installed"
    asked = subprocess.run(
        ["unshare", "--pid", "--fork", "--mount", "--uts", "--ipc", "--cgroup", "true"], capture_output=True
    )
    if asked.returncode or not any(os.access(each, os.W_OK) for each in (CGROUPS, *CGROUPS.glob("*/cgroup.procs"))):
        return "namespaces and control groups cannot be made here"
    return ""


@dataclass
class Machine:
    root: Path
    process: subprocess.Popen[bytes] | None = None

    @property
    def name(self) -> str:
        return f"ponte-machine-{os.getpid()}"

    @property
    def first(self) -> str:
        """Its PID 1, as seen from here."""
        assert self.process
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return children[0] if children else ""

    def boot(self) -> None:
        argv = [str(Path(__file__).with_name("boot")), str(self.root), self.name]
        with (self.root.parent / "console.log").open("ab") as console:
            self.process = subprocess.Popen(argv, stdout=console, stderr=console, start_new_session=True)
        until(lambda: "running" in self.run("systemctl", "is-system-running").stdout, BOOT_SECONDS, every=0.2)

    def off(self) -> None:
        """As a power cut: the kernel ends everything in it with its PID 1."""
        if not self.process:
            return
        self.process.kill()
        self.process.wait()
        until(self.forgotten)

    def forgotten(self) -> bool:
        groups = list(CGROUPS.glob(f"*/{self.name}")) + list(CGROUPS.glob(self.name))
        for top in groups:
            for folder, _, _ in os.walk(top, topdown=False):
                with suppress(OSError):  # somebody in it is still ending
                    Path(folder).rmdir()
        return not any(top.exists() for top in groups)

    def run(self, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
        into = [
            "nsenter",
            f"--target={self.first}",
            *["--pid", "--mount", "--uts", "--ipc", "--cgroup", "--root", "--wd"],
        ]
        given = [f"{name}={value}" for name, value in {**ENVIRON, **environ}.items()]
        argv = [*into, "env", "-i", *given, *words]
        return subprocess.run(argv, capture_output=True, text=True, timeout=WORD_SECONDS, stdin=subprocess.DEVNULL)

    def do(self, *words: str, **environ: str) -> str:
        done = self.run(*words, **environ)
        assert done.returncode == 0, f"{words}: {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
        return done.stdout

    def release(self, *words: str) -> subprocess.CompletedProcess[str]:
        return self.run(f"{CHECKOUT}/deploy/systemd/release", *words)

    def path(self, name: str) -> Path:
        return self.root / name.lstrip("/")


@contextmanager
def machine(folder: Path) -> Iterator[Machine]:
    found = Machine(folder / "root")
    try:
        found.root.mkdir()
        subprocess.run(["tar", "-xf", debian(), "-C", found.root], check=True)
        shutil.copytree(wheels(), found.path("wheels"))
        left_out = shutil.ignore_patterns(".*_cache", ".git", ".env", ".run", "__pycache__", "reports")
        shutil.copytree(ROOT, found.path(CHECKOUT), ignore=left_out)
        found.path(f"{CHECKOUT}/reports").mkdir()
        found.boot()
        yield found
    finally:
        found.off()
        shutil.rmtree(found.root, ignore_errors=True)


def debian() -> Path:
    target = KEPT / f"{SUITE}.tar"
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        draft = target.with_name("draft.tar")
        # (!) In a session of its own: when it fails it hangs up its whole process group.
        argv = ["mmdebstrap", "--quiet", "--variant=minbase", f"--include={PACKAGES}", SUITE, str(draft)]
        subprocess.run(argv, check=True, start_new_session=True, stdin=subprocess.DEVNULL)
        draft.replace(target)
    return target


def wheels() -> Path:
    """What a release installs, fetched here: the machine itself asks no package index."""
    locks = [ROOT / name / "requirements.txt" for name in LOCKS]
    target, draft = KEPT / f"wheels-{digest(*locks)[:12]}", KEPT / "wheels.draft"
    if not target.exists():
        words = ["--quiet", "--require-hashes", "--no-deps", "--only-binary=:all:", f"--python-version={PYTHON}"]
        given = [word for lock in locks for word in ("-r", str(lock))]
        subprocess.run([sys.executable, "-m", "pip", "download", *words, "-d", str(draft), *given], check=True)
        draft.replace(target)
    return target
