"""Django's static files of a release: nginx's image has those of the tree it was built from."""

import subprocess

from deploy.compose.docker import Docker
from deploy.errors import with_log

OPTIONS = ("--rm", "--interactive", "--network=none", "--read-only", "--cap-drop=ALL", "--tmpfs=/tmp")
WHERE = {"STATIC_ROOT": "/tmp/static/django", "PYTHONPATH": "/srv/apps:/srv/apps/django"}
COLLECT = """
python manage.py collectstatic --noinput --verbosity 0 >&2
python - /tmp/static >&2
tar -c -C /tmp/static .
"""


def collected(docker: Docker, image: str) -> bytes:
    """A tar of /static/, with the compressed forms beside the files."""
    environment = [word for name, value in WHERE.items() for word in ("--env", f"{name}={value}")]
    words = ("--workdir=/srv/apps/django", "--entrypoint=bash", image, "-euc", COLLECT)
    precompress = (docker.settings.root / "nginx" / "precompress.py").read_bytes()
    argv = ["docker", "run", *OPTIONS, *environment, *words]
    done = subprocess.run(argv, env=docker.environment, input=precompress, capture_output=True)
    if done.returncode:
        raise with_log("collectstatic failed", "collectstatic", done.stderr.decode(errors="replace").splitlines())
    return done.stdout
