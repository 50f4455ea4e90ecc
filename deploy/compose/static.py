"""Django's static files of a release: nginx's image has those of the tree it was built from."""

import subprocess

from deploy.compose.docker import Docker
from deploy.errors import with_log

OPTIONS = ("--rm", "--interactive", "--network=none", "--read-only", "--cap-drop=ALL", "--tmpfs=/tmp")
PACK = """
cp -r /srv/static /tmp/static
python - /tmp/static >&2
tar -c -C /tmp/static .
"""


def collected(docker: Docker, image: str) -> bytes:
    """A tar of /static/ as the image has it, with the compressed forms beside the files."""
    argv = ["docker", "run", *OPTIONS, "--entrypoint=bash", image, "-euc", PACK]
    precompress = (docker.settings.root / "nginx" / "precompress.py").read_bytes()
    done = subprocess.run(argv, env=docker.environment, input=precompress, capture_output=True)
    if done.returncode:
        raise with_log("packing static files failed", "static", done.stderr.decode(errors="replace").splitlines())
    return done.stdout
