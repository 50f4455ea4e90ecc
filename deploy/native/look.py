"""Looks into a native stack: its configuration, a shell in a replica, the database."""

import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

from deploy import edge
from deploy.backup.database import libpq
from deploy.errors import impossible
from deploy.native import releases, replicas
from deploy.native.database import database
from deploy.native.layout import Layout
from deploy.native.record import Record
from deploy.native.routing import Routing
from deploy.run import quiet, show
from deploy.settings import Settings


def config(settings: Settings, layout: Layout, routing: Routing, record: Record | None) -> Mapping[str, str]:
    """nginx's own view (`nginx -T`) of what runs, or of what `up` would run."""
    out = layout.nginx if record else layout.run / "nginx.shown"
    if not record:
        edge.render(routing.edge(nobody(settings)), out, settings.root / "nginx")
    asked = quiet(edge.command(routing.binary, out, "-T", "-q"), capture_output=True)
    if asked.returncode:
        raise impossible(f"nginx refuses the configuration: {asked.stderr.strip()}")
    if not record:
        shutil.rmtree(out)
    return {"nginx": asked.stdout}


def nobody(settings: Settings) -> Record:
    """A stack without replicas."""
    return Record(settings.project, "", settings.url, {}, {})


def shell(service: str, record: Record, settings: Settings, layout: Layout) -> NoReturn:
    members = record.of(service)
    if members:
        tree = members[0].runs.tree
        environ = replicas.environment(members[0], settings, layout)
        become([shell_path()], releases.apps(tree, settings, layout), environ, releases.python(tree, layout))
    folders = {"nginx": layout.nginx, "postgres": layout.data}
    extra = libpq((layout.secrets / "database_url").read_text().strip()) if service == "postgres" else {}
    become([shell_path()], folders[service], extra)


def psql(settings: Settings, layout: Layout) -> NoReturn:
    found = database(settings, layout)
    become([*found.program("psql")], settings.root, found.environment)


def shell_path() -> str:
    return os.environ.get("SHELL") or "/bin/sh"


def become(argv: list[str], folder: Path, extra: Mapping[str, str], python: Path = Path(sys.executable)) -> NoReturn:
    """Replaces this process, so that Ctrl-C and the terminal belong to what was asked for."""
    show(argv)
    os.chdir(folder)
    path = os.pathsep.join([str(python.parent), os.environ.get("PATH", os.defpath)])
    os.execvpe(argv[0], argv, {**os.environ, **extra, "PATH": path})
