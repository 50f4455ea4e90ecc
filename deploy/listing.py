"""`ps` and the closing table of `up`."""

import json
from collections.abc import Iterable
from dataclasses import asdict

from deploy.console import Console
from deploy.engines.base import Replica
from deploy.settings import Settings
from deploy.variables import SERVICES

COLUMNS = ("service", "replica", "state", "ready", "server", "workers", "memory", "uptime")


def show(replicas: list[Replica], format: str, say: Console) -> None:
    if format == "json":
        return say.answer(json.dumps([asdict(each) for each in replicas], indent=2))
    say.table(COLUMNS, [row(each) for each in replicas])
    say.answer(f"memory in all: {mebibytes(sum(each.memory or 0 for each in replicas))}")


def row(each: Replica) -> tuple[str, ...]:
    return (
        each.service,
        each.replica,
        each.state,
        "yes" if each.ready else "no",
        each.server or "-",
        str(each.workers or "-"),
        mebibytes(each.memory),
        duration(each.uptime),
    )


def mebibytes(count: int | None) -> str:
    return "-" if count is None else f"{count / 2**20:.0f} MiB"


def duration(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= length:
            return f"{seconds // length:.0f} {unit}"
    return f"{seconds:.0f} s"


def urls(settings: Settings, replicas: Iterable[Replica], say: Console) -> None:
    """What `up` ends with: where to look, and how many answer there."""
    ready: dict[str, int] = {}
    for each in replicas:
        ready[each.service] = ready.get(each.service, 0) + each.ready
    rows = [("site", settings.url + "/", "-")]
    rows += [("site over TLS", settings.https_url + "/", "-")]
    rows += [(name, f"{settings.url}/{name}/", str(ready.get(name, 0))) for name in SERVICES]
    say.table(("what", "url", "replicas ready"), rows)
