"""The engine of one server: the native engine's controller and nginx, with systemd in the place of supervisor."""

import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from deploy import edge
from deploy.console import Console
from deploy.engines.native import Native
from deploy.errors import Refused, impossible
from deploy.run import attended, quiet
from deploy.settings import Settings
from deploy.state import replace as write

RUNS_HERE = Path("/run/systemd/system")  # as sd_booted(3) asks
NGINX = """\
#!/bin/sh
# The edge's nginx, always as its own user. (!) A test or a reload by root would leave files that it cannot write.
# With the one right that its unit has too, ports below 1024: a test of the configuration opens them.
[ "$(id -u)" != 0 ] || exec setpriv --reuid={user} --regid={user} --clear-groups \\
  --inh-caps=+net_bind_service --ambient-caps=+net_bind_service -- "{binary}" "$@"
exec "{binary}" "$@"
"""


class Systemd(Native):
    name = "systemd"

    def __init__(self, settings: Settings, say: Console):
        refuse(settings)
        super().__init__(settings, say)
        self.own_nginx = {name: value for name, value in settings.given.items() if name == "NGINX_BIN"}
        self.settings = self.installed(settings)

    def kept(self):
        from deploy.systemd.keeper import Units
        from deploy.systemd.layout import Installed

        layout = Installed(self.settings.root, self.settings.run)
        return layout, Units(layout)

    def installed(self, settings: Settings) -> Settings:
        """nginx as its own user, and the database whose address install was given."""
        given = {"DATABASE_URL_FILE": str(self.layout.secrets / "database_url")}
        if settings.database_url or settings.database_url_file:
            given = {}
        given |= {"NGINX_BIN": str(self.layout.nginx_bin)}
        return settings.again({**settings.given, **given}, settings.words)

    def up(self) -> None:
        self.refuse_closed_python()
        if self.settings.dev:
            raise Refused("DEV=1 runs the checkout itself, and units run releases; take ENGINE=native")
        self.put_nginx()
        super().up()

    def deploy(self, services: Sequence[str], strategy: str) -> None:
        self.refuse_closed_python()
        super().deploy(services, strategy)

    def refuse_closed_python(self) -> None:
        """Releases get venvs of the Python that runs this, which may lie in somebody's home."""
        python, user = Path(sys.executable).resolve(), self.layout.app_user
        can = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", "--", "test", "-x", str(python)]
        if quiet(can, capture_output=True).returncode:
            raise impossible(f"the user {user} may not run {python}; remove .run/venv, and call deploy/systemd/release")

    def put_nginx(self) -> None:
        """(!) pip's nginx lies in the checkout, where the edge's user may not come: it is copied."""
        target = self.layout.nginx_bin
        if target.exists():
            return
        binary = edge.locate({**os.environ, **self.own_nginx})
        if binary.is_relative_to(self.settings.root):
            binary = Path(shutil.copy2(binary, target.with_name("nginx-of-pip")))
            binary.chmod(0o755)
        write(target, NGINX.format(user=self.layout.edge_user, binary=binary), 0o755)

    def restart_program(self, name: str) -> None:
        if name == "postgres":
            raise impossible("the database is none of this stack's; systemctl restart postgresql, where it runs here")
        super().restart_program(name)

    def logs(self, service: str | None, follow: bool) -> None:
        from deploy.systemd.units import pattern

        wanted = f"ponte-{service}@*" if service else "ponte-*"
        unit = pattern(service) if service == "nginx" else wanted
        attended(["journalctl", f"--unit={unit}", "--lines=200", *(["--follow"] if follow else ["--no-pager"])])


def refuse(settings: Settings) -> None:
    """Before anything is installed for it."""
    if not RUNS_HERE.is_dir():
        raise impossible("systemd does not run this machine; take ENGINE=native, or a machine that systemd starts")
    if os.geteuid():
        raise impossible("units belong to root; call it with sudo")
    if not (settings.run / "replicas").is_dir():
        raise impossible(f"{settings.run} holds no installed stack; deploy/systemd/install makes one")
