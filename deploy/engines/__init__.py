"""The engines by name, and the choice between them."""

from collections.abc import Callable

from deploy.console import Console
from deploy.engines.base import Engine, Replica
from deploy.settings import Settings

__all__ = ["ENGINES", "Engine", "Replica"]


def _compose(settings: Settings, say: Console) -> Engine:
    from deploy.engines.compose import Compose

    return Compose(settings, say)


def _native(settings: Settings, say: Console) -> Engine:
    from deploy.engines.native import Native

    return Native(settings, say)


def _swarm(settings: Settings, say: Console) -> Engine:
    from deploy.engines.swarm import Swarm

    return Swarm(settings, say)


def _systemd(settings: Settings, say: Console) -> Engine:
    from deploy.engines.systemd import Systemd

    return Systemd(settings, say)


# Imported when chosen: a command for one engine does not load the other.
ENGINES: dict[str, Callable[[Settings, Console], Engine]] = {
    "compose": _compose,
    "native": _native,
    "swarm": _swarm,
    "systemd": _systemd,
}
