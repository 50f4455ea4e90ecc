"""The engines by name, and the choice between them."""

from collections.abc import Callable
from importlib import import_module

from deploy.console import Console
from deploy.engines.base import Engine, Replica
from deploy.settings import Settings

__all__ = ["ENGINES", "Engine", "Replica"]

Made = Callable[[Settings, Console], Engine]


def later(name: str, of: str) -> Made:
    """Imported when it is chosen: a command for one engine does not load the other."""

    def made(settings: Settings, say: Console) -> Engine:
        return getattr(import_module(f"deploy.engines.{name}"), of)(settings, say)

    return made


CLASSES = {
    "compose": "Compose",
    "native": "Native",
    "swarm": "Swarm",
    "systemd": "Systemd",
}
ENGINES: dict[str, Made] = {name: later(name, of) for name, of in CLASSES.items()}
