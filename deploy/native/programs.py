"""One supervisor program file per process: pure text from a value."""

import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from shutil import which

RESTARTS = 100  # then FATAL; the waits grow by a second each, so that is over an hour
SWEEP = Path(__file__).with_name("sweep.py")
STABLE_SECONDS = 10  # (!) one that ends sooner is started again with growing pauses, a later one at once

TEMPLATE = """\
; {name}: written by ./ponte; one file per replica, so that a change touches no other.
; (!) never numprocs: changing it restarts the whole group.
[program:{name}]
command={command}
directory={directory}
environment={environment}
autorestart=true
startsecs={startsecs}
startretries={startretries}
stopsignal={stop_signal}
stopwaitsecs={stop_seconds}
; The signal goes to the parent alone, which tells its workers; what outlives it is killed.
stopasgroup=false
killasgroup=true
redirect_stderr=true
stdout_logfile={log}
stdout_logfile_maxbytes=10MB
stdout_logfile_backups=3
"""


@dataclass(frozen=True)
class Program:
    name: str
    argv: Sequence[str]
    directory: Path
    log: Path
    stop_signal: str  # also sent by the kernel when the keeper dies
    stop_seconds: int
    environment: Mapping[str, str] = field(default_factory=dict)
    sweep: str = ""  # the signal for what a killed run of it left behind
    wrap: Sequence[str] = ()  # runs before the death signal is set: it would be lost by a new user


def ini(program: Program) -> str:
    return TEMPLATE.format(
        name=program.name,
        command=escape(shlex.join(command(program))),
        directory=escape(str(program.directory)),
        environment=escape(",".join(f'{k}="{v}"' for k, v in program.environment.items())),
        startsecs=STABLE_SECONDS,
        startretries=RESTARTS,
        stop_signal=program.stop_signal,
        stop_seconds=program.stop_seconds,
        log=escape(str(program.log)),
    )


def command(program: Program) -> list[str]:
    """(!) Killing supervisord would orphan its children; the kernel signals them instead (Linux)."""
    return [*program.wrap, *dies_with_parent(program.stop_signal), *swept(program.sweep), *program.argv]


def dies_with_parent(signal: str) -> list[str]:
    return ["setpriv", "--pdeathsig", signal, "--"] if which("setpriv") else []


def swept(signal: str) -> list[str]:
    return [sys.executable, "-I", "-S", str(SWEEP), signal] if signal else []


def escape(value: str) -> str:
    """supervisor expands %(name)s in every value."""
    return value.replace("%", "%%")
