"""`--samples FILE`: raw samples of every process of a run, gathered where Locust gathers its statistics."""

import logging
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from locust import events
from locust.env import Environment
from locust.runners import MasterRunner, WorkerRunner

from loadtests.measure import samples
from loadtests.measure.samples import COLUMNS, Recorder, Samples
from loadtests.users.ending import once

BOOT = Path("/proc/sys/kernel/random/boot_id")  # one clock for all who share it
logger = logging.getLogger(__name__)
RECORDER = Recorder()
GATHERED: list[Samples] = []


def recorder(environment: Environment) -> Recorder | None:
    """Where to record, None when nobody wants samples: an endless run must not fill the memory."""
    return RECORDER if getattr(environment.parsed_options, "samples", None) else None


@events.report_to_master.add_listener
def send(client_id: str, data: dict[str, Any]) -> None:
    if len(RECORDER.ids):
        data["samples"] = packed(RECORDER.take())


@events.worker_report.add_listener
def receive(client_id: str, data: dict[str, Any]) -> None:
    if "samples" in data:
        GATHERED.append(unpacked(data["samples"]))


def install(environment: Environment) -> None:
    """The process that gathers writes them at its end; a worker has sent them by then."""
    path = getattr(environment.parsed_options, "samples", None)
    if path and not isinstance(environment.runner, WorkerRunner):
        environment.events.quitting.add_listener(once(partial(write, environment, Path(path))))


def write(environment: Environment, path: Path) -> None:
    parts = GATHERED if isinstance(environment.runner, MasterRunner) else [RECORDER.take()]
    try:
        samples.merged(parts).save(path)
    except OSError as error:
        logger.error("%s cannot be written (%s)", path, error.strerror)
        environment.process_exit_code = 3


def packed(part: Samples) -> dict[str, Any]:
    """What msgpack takes."""
    return {
        "boot": BOOT.read_text() if BOOT.exists() else "",
        "behind": clock_offset(),
        "columns": {name: each.tobytes() for name, each in part.columns.items()},
        "ids": part.ids.tobytes(),
        "names": list(part.names),
        "replicas": list(part.replicas),
    }


def unpacked(data: dict[str, Any]) -> Samples:
    columns = {name: np.frombuffer(data["columns"][name], kind) for name, kind in COLUMNS.items()}
    here = BOOT.read_text() if BOOT.exists() else ""
    if data["boot"] != here:
        shift = data["behind"] - clock_offset()
        columns |= {name: columns[name] + shift for name in ("intended", "sent", "done")}
    return Samples(columns, np.frombuffer(data["ids"], "V16"), tuple(data["names"]), tuple(data["replicas"]))


def clock_offset() -> float:
    """Wall clock minus monotonic clock: what makes two machines' times comparable, as far as their wall clocks agree."""
    return time.time() - time.monotonic()
