"""supervisord: started once a stack, spoken to over a unix socket in the run folder."""

import http.client
import os
import resource
import socket
import time
import xmlrpc.client
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, ClassVar

from deploy.errors import impossible
from deploy.native.keeping import Info, Keeping
from deploy.native.layout import Layout
from deploy.native.programs import Program, escape, ini
from deploy.native.record import Record
from deploy.ports import allocate
from deploy.release import Release
from deploy.run import quiet, run
from deploy.state import replace

SOCKET = "rpc.sock"
LONGEST_PATH = 100  # bytes; Linux takes 107 for a unix socket, macOS 103
OPEN_FILES = 65536  # what a busy edge wants; the hard limit decides when it is lower
ENDING = 6  # supervisor's Faults.SHUTDOWN_STATE
ENDING_SECONDS = 70  # above the time that nginx takes to stop
LIVE = ("STARTING", "RUNNING", "STOPPING", "BACKOFF")
CONFIG = """\
; Written by ./ponte. The folder is private: whoever reaches the socket commands the stack.
[supervisord]
logfile={logs}/supervisor.log
logfile_maxbytes=10MB
logfile_backups=1
pidfile=supervisord.pid
minfds=256
minprocs=64
umask=022

; (!) By way of the folder it is started in: a unix socket's path may have 107 bytes, a checkout's more.
[unix_http_server]
file={folder}{socket}
chmod=0700

[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface

[include]
files=programs/*.ini
"""


class Keeper(Keeping):
    engine: ClassVar = "native"

    def start(self) -> None:
        layout = self.layout
        replace(layout.keeper / "supervisord.conf", config(layout))
        argv = [layout.python, "-m", "supervisor.supervisord", "-c", "supervisord.conf"]
        started = quiet(argv, cwd=layout.keeper, env=environment(), capture_output=True, preexec_fn=raise_limits)
        if started.returncode or not wait(self.alive, 10):
            said = started.stderr.partition("\n")[0] or "see .run/logs/supervisor.log"
            raise impossible(f"supervisord does not start: {said}")

    def alive(self) -> bool:
        return self.pid() is not None

    def pid(self) -> int | None:
        try:
            return self.call("getPID")
        except (OSError, http.client.HTTPException):
            return None

    def programs(self) -> dict[str, Info]:
        try:
            return {each["name"]: each for each in self.call("getAllProcessInfo")}
        except (OSError, http.client.HTTPException):
            return {}

    def add(self, programs: Iterable[Program]) -> None:
        programs = list(programs)
        for program in programs:
            replace(self.layout.programs / f"{program.name}.ini", ini(program))
        self.call("reloadConfig")
        for program in programs:
            self.call("addProcessGroup", program.name)

    def start_again(self, names: Iterable[str]) -> None:
        for name in names:
            self.call("startProcess", name, False)

    def stop(self, names: Iterable[str], patience: float) -> None:
        names = [name for name in names if self.state(name) in LIVE]
        for name in names:
            self._try("stopProcess", name, False)
        wait(lambda: not any(self.state(name) in LIVE for name in names), patience)

    def remove(self, names: Iterable[str], patience: float) -> None:
        names = list(names)
        self.stop(names, patience)
        for name in names:
            self._try("removeProcessGroup", name)
            (self.layout.programs / f"{name}.ini").unlink(missing_ok=True)
        self.call("reloadConfig")

    def once(self, program: Program) -> bool:
        """Nobody has to keep it: it is ours until it ends."""
        with program.log.open("w") as log:
            done = run(program.argv, cwd=program.directory, env=program.environment, stdout=log, stderr=log)
        return done.returncode == 0

    def places(
        self, record: Record, service: str, count: int, release: Release, taken: Collection[int] = ()
    ) -> Iterator[tuple[str, int]]:
        for port in allocate(self.layout.run, count, {*record.ports(), *taken}):
            yield record.next_name(service), port

    def signal(self, name: str, signal: str) -> None:
        self.call("signalProcess", name, signal)

    def shutdown(self, patience: float) -> None:
        pid = self.pid()
        if pid is None:
            return
        self._try("shutdown")
        if not wait(lambda: not exists(pid), patience):
            raise impossible(f"supervisord (pid {pid}) does not end; see .run/logs/supervisor.log")

    def call(self, method: str, *arguments: Any) -> Any:
        """(!) One that was told to end answers nothing more, until there is none: whoever told it may have been killed."""
        deadline = time.monotonic() + ENDING_SECONDS
        while True:
            try:
                with connected(self.layout.keeper) as server:
                    return getattr(server.supervisor, method)(*arguments)
            except xmlrpc.client.Fault as fault:
                if fault.faultCode != ENDING:
                    raise
            if time.monotonic() > deadline:
                raise impossible("supervisord does not end; see .run/logs/supervisor.log")
            time.sleep(0.1)

    def _try(self, method: str, *arguments: Any) -> None:
        """For what may be done already: a fault says no more than that."""
        with suppress(xmlrpc.client.Fault):
            self.call(method, *arguments)


def config(layout: Layout) -> str:
    here = Path("/proc/self/cwd")
    folder = f"{here}/" if here.exists() else ""
    return CONFIG.format(logs=escape(str(layout.logs)), folder=folder, socket=SOCKET)


def environment() -> dict[str, str]:
    """What every kept process inherits: nothing of the user's shell but where things are."""
    kept = ("PATH", "HOME", "TMPDIR", "TZ")
    found = {name: os.environ[name] for name in kept if os.environ.get(name)}
    return {"PATH": os.defpath, "LANG": "C.UTF-8"} | found


def raise_limits() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def wait(done: Callable[[], bool], seconds: float, pause: float = 0.1) -> bool:
    deadline = time.monotonic() + seconds
    while not done():
        if time.monotonic() > deadline:
            return False
        time.sleep(pause)
    return True


class Connection(http.client.HTTPConnection):
    def __init__(self, path: str):
        super().__init__("localhost", timeout=30)
        self.path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Transport(xmlrpc.client.Transport):
    def __init__(self, path: str):
        super().__init__()
        self.path = path

    def make_connection(self, host: Any) -> http.client.HTTPConnection:
        return Connection(self.path)


@contextmanager
def connected(folder: Path) -> Iterator[xmlrpc.client.ServerProxy]:
    """A long path is reached relative to an open folder (Linux), so its length does not matter."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    path = str(folder / SOCKET)
    if len(path.encode()) > LONGEST_PATH:
        path = f"/proc/self/fd/{descriptor}/{SOCKET}"
    try:
        yield xmlrpc.client.ServerProxy("http://localhost/RPC2", Transport(path))
    finally:
        os.close(descriptor)
