"""Who answers: the settings of this process and what it says of itself."""

import os
import platform
from typing import Any

from core import logs
from core.settings import Settings


class Replica:
    """One process of one replica."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.name = settings.replica
        self.service = settings.service

    @classmethod
    def from_env(cls, service: str) -> "Replica":
        """Reads the environment and sends the logs of the process through one JSON formatter."""
        settings = Settings.from_env(os.environ, service)
        logs.configure(service, settings.replica, settings.log_level)
        return cls(settings)

    @property
    def served_by(self) -> str:
        return f"{self.service}/{self.name}/{os.getpid()}"

    def headers(self, request_id: str, seconds: float) -> dict[str, str]:
        """What every answer carries; `seconds` since its request came, which browsers show beside it."""
        timing = f"app;dur={seconds * 1000:.1f}"
        return {"X-Served-By": self.served_by, "X-Request-ID": request_id, "Server-Timing": timing}

    @property
    def identity(self) -> dict[str, Any]:
        about = self.settings.about
        return {
            "app": self.service,
            "framework": about.framework,
            "interface": about.interface,
            "server": self.settings.server or "",
            "replica": self.name,
            "pid": os.getpid(),
            "python": platform.python_version(),
            "release": self.settings.release,
        }
