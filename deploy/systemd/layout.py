"""Where an installed stack keeps its files: below PREFIX, /opt/ponte, and not in the checkout it was installed from."""

from pathlib import Path
from typing import ClassVar

from deploy.native.layout import Layout
from deploy.run import quiet
from deploy.systemd import units

PREFIX = Path("/opt/ponte")


class Installed(Layout):
    shares_venv: ClassVar = False  # the users of the units may not enter the checkout
    kept_releases: ClassVar = 5
    edge_user: ClassVar = "ponte-nginx"
    app_user: ClassVar = "ponte"

    @property
    def programs(self) -> Path:
        """Of each replica an environment, NAME.env, and a link to its release, NAME."""
        return self.run / "replicas"

    @property
    def keeper(self) -> Path:
        return self.programs

    @property
    def scratch(self) -> Path:
        """nginx's own: all it writes but logs."""
        return self.run / "scratch"

    @property
    def temp(self) -> Path:
        return self.scratch / "tmp"

    @property
    def cache(self) -> Path:
        return self.scratch / "answers"

    @property
    def pid(self) -> Path:
        return self.scratch / "nginx.pid"

    @property
    def nginx_bin(self) -> Path:
        return self.run / "bin" / "nginx"

    def said(self, name: str, count: int) -> list[str]:
        words = ["journalctl", "--quiet", "--output=cat", f"--lines={count}"]
        asked = quiet([*words, f"--unit={units.pattern(name)}"], capture_output=True)
        return asked.stdout.splitlines()

    def make(self) -> None:
        """install made them, each with its owner."""
