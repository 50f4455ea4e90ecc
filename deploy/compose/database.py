"""PostgreSQL's programs in containers: in the stack's own one, or for DATABASE_URL in one that ends with them."""

from deploy.backup.database import Database, libpq
from deploy.compose.containers import Container
from deploy.compose.docker import Docker
from deploy.native.secrets import USER


def database(docker: Docker, postgres: Container, *options: str) -> Database:
    """`options`: of the docker command, such as --tty."""
    url = docker.environment.get("DATABASE_URL", "")
    return external(docker, postgres, url, *options) if url else inside(docker, postgres, *options)


def inside(docker: Docker, postgres: Container, *options: str) -> Database:
    before = ("docker", "exec", *options, "--interactive", "--env", f"PGUSER={USER}", postgres.hostname)
    return Database(lambda program: (*before, program), USER, docker.environment)


def external(docker: Docker, postgres: Container, url: str, *options: str) -> Database:
    """On the network the apps reach it by. (!) Its password is in the environment of a container, for as long as that lives."""
    variables = libpq(url)
    image = docker.ask("docker", "inspect", "--format", "{{.Config.Image}}", postgres.id).strip()
    usual = ("--rm", "--interactive", "--read-only", "--cap-drop=ALL", "--user=postgres")
    names = [word for name in variables for word in ("--env", name)]  # the values come from our own environment
    before = ("docker", "run", *options, *usual, f"--network={docker.settings.project}_edge", *names, image)
    return Database(lambda program: (*before, program), variables["PGDATABASE"], docker.environment | variables)
