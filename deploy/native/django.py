"""What the Django project does once for a release, before its replicas: migrations and static files."""

import os

from deploy.native import releases, replicas
from deploy.native.layout import Layout
from deploy.run import quiet, run
from deploy.settings import Settings

COLLECT = ("collectstatic", "--noinput", "--verbosity=0")


def migrate(tree: str, settings: Settings, layout: Layout) -> None:
    manage(tree, settings, layout, "migrate")


def collect(tree: str, settings: Settings, layout: Layout, *words: str) -> None:
    """Without --clear the files of other releases stay: their names carry a hash, and their pages ask for them."""
    manage(tree, settings, layout, *COLLECT, *words)
    quiet([layout.python, settings.root / "nginx" / "precompress.py", layout.static])


def manage(tree: str, settings: Settings, layout: Layout, *words: str) -> None:
    """A command of the project; its output is in .run/logs."""
    apps = releases.apps(tree, settings, layout)
    path = layout.logs / f"{words[0]}.log"
    environ = {
        "PATH": os.environ.get("PATH", os.defpath),
        "PYTHONPATH": f"{apps}{os.pathsep}{apps / 'django'}",
        "DATABASE_URL_FILE": str(layout.secrets / "database_url"),
        "SECRET_KEY_FILE": str(layout.secrets / "secret_key"),
        "STATIC_ROOT": str(layout.static / "django"),
    }
    with path.open("w") as log:
        argv = [releases.python(tree, layout), "manage.py", *words]
        done = run(argv, cwd=apps / "django", env=environ, stdout=log, stderr=log)
    if done.returncode:
        raise replicas.failed(words[0], "failed", layout)
