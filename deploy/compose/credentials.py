"""The certificate and passwords of the edge in containers: the one-shot service `credentials`, run once more."""

from deploy.compose.docker import Docker
from deploy.credentials import told
from deploy.run import quiet

FILES = ("TLS_CERT", "TLS_KEY", "AUTH_USERS_FILE")  # of the user's own
REFUSABLE = (*FILES, "SERVER_NAMES")  # what is unset cannot be wrong


def check(docker: Docker) -> None:
    """Before anything runs: `docker compose up` runs the service by itself, but would say less."""
    if any(name in docker.settings.given for name in REFUSABLE):
        put(docker)


def put(docker: Docker) -> bool:
    """True when a certificate was made, so that a running nginx has to be told. Nothing is replaced by a wrong one."""
    argv = docker.compose("run", "--rm", "--no-deps", "-T", "credentials")
    return told(quiet(argv, cwd=docker.settings.root, env=docker.environment, capture_output=True))
