"""The stack's secrets in the Swarm: immutable, encrypted among the managers, in the memory of who needs them.

A password that we made is made once and lives as long as the data; nobody can read it back. What a user sets, and
the certificate, is named after a hash of it: another value is another secret, and its services are replaced.
"""

import secrets as random
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

from deploy import environment
from deploy.credentials import told
from deploy.errors import impossible
from deploy.native import credentials
from deploy.native.secrets import USER
from deploy.run import quiet, show
from deploy.swarm.cluster import Cluster

OWNER = "ponte.stack"  # a label. (!) Not Docker's own: with it `docker stack rm` would remove them, and keep the data
DATABASE = "postgres:5432"
EDGE = {"certificate": "certificate.pem", "key": "key.pem", "users": "users"}  # secret -> file of nginx/credentials.py


def made(cluster: Cluster) -> dict[str, str]:
    """Word of overlay.yaml -> name in the Swarm."""
    there = listed(cluster)
    return {**ours(cluster, there), **given(cluster, there), **edge(cluster)}


def listed(cluster: Cluster) -> set[str]:
    words = ("--filter", f"label={OWNER}={cluster.settings.project}", "--format", "{{.Name}}")
    return set(cluster.ask("docker", "secret", "ls", *words).split())


def ours(cluster: Cluster, there: set[str]) -> dict[str, str]:
    """Random, where there is none yet."""
    project = cluster.settings.project
    names = {word: f"{project}_{word}" for word in ("database-password", "database-url", "secret-key")}
    if not {names["database-password"], names["database-url"]} <= there:
        refuse_data_without_password(cluster)
        cluster.ask("docker", "secret", "rm", names["database-password"], names["database-url"], check=False)
        password = random.token_hex(32)
        put(cluster, names["database-password"], password.encode())
        put(cluster, names["database-url"], f"postgresql://{USER}:{password}@{DATABASE}/{USER}".encode())
    if names["secret-key"] not in there:
        put(cluster, names["secret-key"], random.token_hex(32).encode())
    return names


def refuse_data_without_password(cluster: Cluster) -> None:
    volume = f"{cluster.settings.project}-swarm_database"
    if cluster.succeeds("docker", "volume", "inspect", volume):
        raise impossible(f"the password of the data in the volume {volume} is not in this Swarm any more; docker volume rm {volume} gives the data up, DATABASE_URL= names another database")  # fmt: skip


def given(cluster: Cluster, there: set[str]) -> dict[str, str]:
    environ = cluster.environment
    words = {"database-url": environ.get("DATABASE_URL", ""), "secret-key": environ.get("SECRET_KEY", "")}
    return {word: by_content(cluster, there, word, value.encode()) for word, value in words.items() if value}


def edge(cluster: Cluster) -> dict[str, str]:
    """(!) Written to a folder of this machine first, for its owner alone: a certificate is kept until it ends soon."""
    settings, there = cluster.settings, listed(cluster)
    environment.need(settings.root, "nginx")
    folder = settings.run / "swarm" / "credentials"
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    argv = (sys.executable, str(settings.root / "nginx" / "credentials.py"), str(folder))
    told(quiet(argv, env=credentials.environment(settings), cwd=settings.root, capture_output=True))
    files = {word: folder / name for word, name in EDGE.items()}
    return {word: by_content(cluster, there, word, path.read_bytes()) for word, path in files.items() if held(path)}


def held(path: Path) -> bool:
    return path.exists() and path.stat().st_size > 0


def by_content(cluster: Cluster, there: set[str], word: str, value: bytes) -> str:
    name = f"{cluster.settings.project}_{word}_{sha256(value).hexdigest()[:8]}"
    if name not in there:
        put(cluster, name, value)
    return name


def put(cluster: Cluster, name: str, value: bytes) -> None:
    argv = ("docker", "secret", "create", "--label", f"{OWNER}={cluster.settings.project}", name, "-")
    show(argv)
    done = subprocess.run(argv, input=value, capture_output=True)
    if done.returncode:
        cluster.ask("docker", "secret", "rm", name, check=False)
        raise cluster.trouble(argv, done.stderr.decode(errors="replace").splitlines())


def remove(cluster: Cluster, kept: set[str]) -> None:
    """Those of releases that nobody can return to. (!) One that is in use stays."""
    for name in listed(cluster) - kept:
        cluster.ask("docker", "secret", "rm", name, check=False)
