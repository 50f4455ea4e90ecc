"""Where the native engine keeps its files: everything below the run folder, nothing elsewhere."""

import re
import sys
from dataclasses import dataclass
from pathlib import Path

from deploy.errors import impossible

PRIVATE = 0o700
UNUSABLE = re.compile(r"""["'\\\n$;{}]|\s#""")  # what supervisor's or nginx's syntax would read


@dataclass(frozen=True)
class Layout:
    root: Path
    run: Path

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

    def make(self) -> None:
        """The folders of a running stack. What others must not read is private from the start."""
        for folder in (self.logs, self.programs, self.releases, self.static / "django"):
            folder.mkdir(parents=True, exist_ok=True)
        for folder in (self.secrets, self.keeper):
            folder.mkdir(mode=PRIVATE, exist_ok=True)
            folder.chmod(PRIVATE)
