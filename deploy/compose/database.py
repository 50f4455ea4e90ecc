"""PostgreSQL's programs in containers: in the stack's own one, or for DATABASE_URL in one that ends with them."""

from deploy.backup.database import Database, libpq
from deploy.compose.containers import Container
from deploy.compose.docker import Docker
from deploy.native.secrets import USER


def database(docker: Docker, postgres: Container) -> Database:
    url = docker.environment.get("DATABASE_URL", "")
    return external(docker, postgres, url) if url else inside(docker, postgres)


def inside(docker: Docker, postgres: Container) -> Database:
    before = ("docker", "exec", "--interactive", "--env", f"PGUSER={USER}", postgres.hostname)
    return Database(lambda program: (*before, program), USER, docker.environment)


def external(docker: Docker, postgres: Container, url: str) -> Database:
    """On the network the apps reach it by. (!) Its password is in the environment of a container, for as long as that lives."""
    variables = libpq(url)
    image = docker.ask("docker", "inspect", "--format", "{{.Config.Image}}", postgres.id).strip()
    options = ("--rm", "--interactive", "--read-only", "--cap-drop=ALL", "--user=postgres")
    names = [word for name in variables for word in ("--env", name)]  # the values come from our own environment
    before = ("docker", "run", *options, f"--network={docker.settings.project}_edge", *names, image)
    return Database(lambda program: (*before, program), variables["PGDATABASE"], docker.environment | variables)
