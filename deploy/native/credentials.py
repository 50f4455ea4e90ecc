"""The certificate and passwords of the native edge: nginx/credentials.py, run for this checkout."""

import os
import pwd
import sys

from deploy.credentials import told
from deploy.native.layout import Layout
from deploy.run import quiet
from deploy.settings import Settings

NOBODY = 65534  # who nginx's workers are when root starts it
SEARCHABLE = 0o711  # (!) nginx's workers read the password file at each request


def put(settings: Settings, layout: Layout) -> bool:
    """True when a certificate was made, so that a running nginx has to be told. Nothing is replaced by a wrong one."""
    layout.credentials.mkdir(parents=True, exist_ok=True)
    layout.credentials.chmod(SEARCHABLE)
    argv = [sys.executable, str(settings.root / "nginx" / "credentials.py"), str(layout.credentials)]
    return told(quiet([*argv, *readers(layout)], env=environment(settings), cwd=settings.root, capture_output=True))


def readers(layout: Layout) -> list[str]:
    if layout.edge_user:
        uid = str(pwd.getpwnam(layout.edge_user).pw_uid)
        return ["--owner", uid, "--reader", uid]
    return [] if os.geteuid() else ["--reader", str(NOBODY)]


def environment(settings: Settings) -> dict[str, str]:
    return {
        "SERVER_NAMES": " ".join(settings.server_names),
        "TLS_CERT": settings.tls_cert,
        "TLS_KEY": settings.tls_key,
        "AUTH_USERS_FILE": settings.auth_users_file,
    }
