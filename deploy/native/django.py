"""What the Django project does once for a release, before its replicas: migrations and static files."""

import os

from deploy.native import releases, replicas
from deploy.native.keeping import Keeping
from deploy.native.layout import Layout
from deploy.native.programs import Program
from deploy.run import quiet
from deploy.settings import Settings

MIGRATE = ("migrate",)
COLLECT = ("collectstatic", "--noinput", "--verbosity=0")


def migrate(tree: str, settings: Settings, layout: Layout, keeper: Keeping) -> None:
    once(program(tree, settings, layout, *MIGRATE), layout, keeper)


def collect(tree: str, settings: Settings, layout: Layout, keeper: Keeping, *words: str) -> None:
    """Without --clear the files of other releases stay: their names carry a hash, and their pages ask for them."""
    once(program(tree, settings, layout, *COLLECT, *words), layout, keeper)
    quiet([layout.python, settings.root / "nginx" / "precompress.py", layout.static])


def once(command: Program, layout: Layout, keeper: Keeping) -> None:
    if not keeper.once(command):
        raise replicas.failed(command.name, "failed", layout)


def program(tree: str, settings: Settings, layout: Layout, *words: str) -> Program:
    """A command of the project; its output is in .run/logs."""
    apps = releases.apps(tree, settings, layout)
    return Program(
        name=words[0],
        argv=[str(releases.python(tree, layout)), "manage.py", *words],
        directory=apps / "django",
        log=layout.logs / f"{words[0]}.log",
        stop_signal="TERM",
        stop_seconds=replicas.STOP_SECONDS,
        environment={
            "PATH": os.environ.get("PATH", os.defpath),
            "PYTHONPATH": f"{apps}{os.pathsep}{apps / 'django'}",
            "DATABASE_URL_FILE": str(layout.secrets / "database_url"),
            "SECRET_KEY_FILE": str(layout.secrets / "secret_key"),
            "STATIC_ROOT": str(layout.static / "django"),
        },
    )
