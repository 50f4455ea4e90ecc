"""Random values made once and kept in files of mode 0600; processes get the files' paths."""

import secrets
from pathlib import Path
from urllib.parse import quote

from deploy.state import replace

SECRET = 0o600
USER = "ponte"  # role and database


def once(path: Path, length: int = 32) -> str:
    """The value in the file, made now if there is none."""
    try:
        found = path.read_text().strip()
    except FileNotFoundError:
        found = ""
    return found or put(path, secrets.token_urlsafe(length))


def put(path: Path, value: str) -> str:
    replace(path, value + "\n", SECRET)
    return value


def database_url(password: str, port: int) -> str:
    return f"postgresql://{USER}:{quote(password)}@127.0.0.1:{port}/{USER}"
