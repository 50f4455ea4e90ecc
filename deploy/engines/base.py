"""What an engine is: the one interface the command line, the load tests and the tests speak to."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from deploy.backup.database import Database
from deploy.console import Console
from deploy.settings import Settings


@dataclass(frozen=True)
class Replica:
    service: str
    replica: str  # unique in the stack: `flask-1` natively, the container's short id in compose
    state: str  # running, starting, stopping, exited, failed
    ready: bool
    server: str = ""
    workers: int | None = None
    memory: int | None = None  # bytes
    uptime: float | None = None  # seconds
    address: str | None = None  # host:port, where this machine can reach it
    id: str = ""  # pid or container id


class Engine(ABC):
    """Targets end by raising Refused (code 2 or 3) or Answer (1), or return None: done."""

    name: ClassVar[str]

    def __init__(self, settings: Settings, say: Console):
        self.settings = settings
        self.say = say

    @abstractmethod
    def up(self) -> None:
        """Start what is not running and wait until every replica is ready."""

    @abstractmethod
    def down(self) -> None:
        """Stop gracefully, keep data."""

    @abstractmethod
    def clean(self) -> None:
        """Down, and remove the data."""

    @abstractmethod
    def ps(self) -> list[Replica]:
        """Everything that runs, nginx and postgres included; empty when nothing is up."""

    @abstractmethod
    def logs(self, service: str | None, follow: bool) -> None: ...

    @abstractmethod
    def edge_log(self, since: float) -> Iterator[str]:
        """Lines of nginx's access log from a moment on (seconds since 1970). (!) nginx writes it once a second."""

    @abstractmethod
    def restart(self, service: str | None) -> None: ...

    @abstractmethod
    def scale(self, service: str, replicas: int) -> None: ...

    @abstractmethod
    def deploy(self, services: Sequence[str], strategy: str) -> None:
        """Release the checkout's tree, all services or none: Answer when it does not serve, and the old one does."""

    @abstractmethod
    def rollback(self, services: Sequence[str]) -> None:
        """Release again what each ran before."""

    @abstractmethod
    def reload(self) -> None:
        """Render, test and reload the edge; a configuration that fails its test changes nothing."""

    @abstractmethod
    def config(self) -> Mapping[str, str]:
        """Title -> text of each rendered configuration."""

    @abstractmethod
    def shell(self, service: str) -> int:
        """An interactive shell in a replica; its exit code."""

    @abstractmethod
    def psql(self) -> int:
        """An interactive psql on the stack's database; its exit code."""

    @abstractmethod
    def database(self) -> Database:
        """The stack's database, or the one of DATABASE_URL, for backups."""

    @abstractmethod
    def migrate(self) -> None:
        """Bring a database that was restored to the schema of what runs."""

    def url(self) -> str:
        """Where the running stack answers."""
        return self.settings.url

    def ready(self, service: str) -> int:
        """How many of its replicas are; for whoever looks again and again."""
        return sum(each.ready for each in self.ps() if each.service == service)

    def counts(self) -> dict[str, int]:
        """Replicas of each service now."""
        found: dict[str, int] = {}
        for each in self.ps():
            found[each.service] = found.get(each.service, 0) + 1
        return found
