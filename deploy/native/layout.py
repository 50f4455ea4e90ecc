"""Where the native engine keeps its files: everything below the run folder, nothing elsewhere."""

import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from deploy.errors import impossible
from deploy.native.logs import tail

PRIVATE = 0o700
UNUSABLE = re.compile(r"""["'\\\n$;{}]|\s#""")  # what supervisor's or nginx's syntax would read


@dataclass(frozen=True)
class Layout:
    root: Path
    run: Path

    shares_venv: ClassVar = True  # .run/venv serves every release whose packages it has
    kept_releases: ClassVar = 0  # beside what runs and what can be returned to
    edge_user: ClassVar = ""  # who nginx is from its start; empty: whoever starts it

    def __post_init__(self) -> None:
        for path in (self.root, self.run):
            if UNUSABLE.search(str(path)):
                raise impossible(
                    f"the path {str(path)!r} holds a quote, $, ;, braces or ' #', which "
                    "configuration files cannot carry; move the checkout"
                )

    @property
    def logs(self) -> Path:
        return self.run / "logs"

    @property
    def data(self) -> Path:
        return self.run / "postgres"

    @property
    def keeper(self) -> Path:
        return self.run / "supervisor"

    @property
    def programs(self) -> Path:
        return self.keeper / "programs"

    @property
    def secrets(self) -> Path:
        return self.run / "secrets"

    @property
    def nginx(self) -> Path:
        return self.run / "nginx"

    @property
    def temp(self) -> Path:
        """Bodies that wait."""
        return self.nginx / "tmp"

    @property
    def cache(self) -> Path:
        return self.nginx / "answers"

    @property
    def pid(self) -> Path:
        return self.run / "nginx.pid"

    @property
    def credentials(self) -> Path:
        """The certificate, its key and the password file: what nginx shows or checks."""
        return self.run / "credentials"

    @property
    def acme(self) -> Path:
        return self.run / "acme"

    @property
    def edge(self) -> Path:
        """The copy of nginx/ that runs."""
        return self.run / "edge"

    @property
    def static(self) -> Path:
        return self.run / "static"

    @property
    def releases(self) -> Path:
        return self.run / "releases"

    @property
    def python(self) -> Path:
        return Path(sys.executable)

    def said(self, name: str, count: int) -> list[str]:
        """The last lines somebody wrote."""
        return tail(self.logs / f"{name}.log", count)

    def make(self) -> None:
        """The folders of a running stack. What others must not read is private from the start."""
        for folder in (self.logs, self.programs, self.releases, self.static / "django"):
            folder.mkdir(parents=True, exist_ok=True)
        for folder in (self.secrets, self.keeper):
            folder.mkdir(mode=PRIVATE, exist_ok=True)
            folder.chmod(PRIVATE)
