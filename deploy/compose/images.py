"""The images of a project's services, and the tags that say what each is for.

PROJECT-SERVICE:latest is what runs, so that a plain `docker compose up` starts that and nothing else; :before is what
`rollback` returns to, :next what a deploy under way has built.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from deploy.compose import pins
from deploy.compose.containers import SERVICE
from deploy.compose.docker import PROJECT, Docker
from deploy.compose.record import Built, Standing
from deploy.errors import impossible
from deploy.release import Release
from deploy.settings import Settings

LATEST, BEFORE, NEXT = "latest", "before", "next"


class Images:
    def __init__(self, docker: Docker):
        self.docker = docker

    def build(self, services: Iterable[str], release: Release, checkout: Settings) -> dict[str, Built]:
        """(!) Their tag `latest` is the new ones' from here on; `latest` and `keep` give it back."""
        services = list(services)
        self.obtain(checkout, services, release.release)
        made = {name: Built(release.tree, release.release, self.id(name)) for name in services}
        self.tag(made, NEXT)
        return made

    def obtain(self, checkout: Settings, services: Sequence[str] = (), release: str = "") -> None:
        """Of these services, or of all: built, or those that are pinned, under the tags that Compose knows."""
        found = pins.read(checkout)
        if not found:
            words = ("build", *(("--build-arg", f"RELEASE={release}") if release else ()), *services)
            self.docker.run(*self.docker.compose(*words), text="building the images")
            return
        for name in services or pins.BUILT:
            self.pull(found.images[name])
            self.docker.ask("docker", "tag", found.images[name], self.named(name))

    def pull(self, reference: str) -> None:
        if self.docker.succeeds("docker", "image", "inspect", reference):
            return
        with self.docker.say.progress(f"getting {reference}") as step:
            code, lines = self.docker.follow(("docker", "pull", "--quiet", reference), step)
        if code:
            raise impossible(f"{reference} cannot be had ({self.docker.reason(lines)}); docker login its registry, or ./ponte images writes others")  # fmt: skip

    def published(self, service: str, tag: str) -> str:
        """In the registry; the reference with its digest."""
        family = f"{self.docker.settings.registry}/{self.docker.settings.project}-{service}"
        self.docker.ask("docker", "tag", self.named(service), f"{family}:{tag}")
        self.push(f"{family}:{tag}")
        digests = self.docker.ask(
            "docker", "image", "inspect", "--format", '{{join .RepoDigests " "}}', f"{family}:{tag}"
        )
        return next(each for each in digests.split() if each.startswith(f"{family}@"))

    def push(self, reference: str) -> None:
        with self.docker.say.progress(f"putting {reference} to the registry") as step:
            code, lines = self.docker.follow(("docker", "push", "--quiet", reference), step)
        if code:
            registry = self.docker.settings.registry
            raise impossible(f"REGISTRY={registry!r} does not take {reference} ({self.docker.reason(lines)}); docker login it, or choose another")  # fmt: skip

    def id(self, service: str) -> str:
        return self.docker.ask("docker", "image", "inspect", "--format", "{{.Id}}", self.named(service)).strip()

    def there(self, each: Built) -> bool:
        return self.docker.succeeds("docker", "image", "inspect", each.image)

    def named(self, service: str, tag: str = LATEST) -> str:
        return f"{self.docker.settings.project}-{service}:{tag}"

    def tag(self, images: Mapping[str, Built], tag: str = LATEST) -> None:
        for name, each in images.items():
            self.docker.ask("docker", "tag", each.image, self.named(name, tag))

    @contextmanager
    def latest(self, images: Mapping[str, Built], otherwise: Mapping[str, Built]) -> Iterator[None]:
        """For the moment in which Compose makes containers of them."""
        self.tag(images)
        try:
            yield
        finally:
            self.tag(otherwise)

    def keep(self, standings: Mapping[str, Standing]) -> None:
        """What runs and what can be returned to, and nothing older."""
        self.tag({name: each.now for name, each in standings.items()})
        self.tag({name: each.before for name, each in standings.items() if each.before}, BEFORE)
        for name, each in standings.items():
            needless = [NEXT] if each.before else [NEXT, BEFORE]
            self.remove(self.named(name, tag) for tag in needless)
            self.remove(self.untagged(name) - {one.image for one in (each.now, each.before) if one})

    def untagged(self, service: str) -> set[str]:
        labels = (f"label={PROJECT}={self.docker.settings.project}", f"label={SERVICE}={service}", "dangling=true")
        words = [word for each in labels for word in ("--filter", each)]
        return set(self.docker.ask("docker", "image", "ls", "--quiet", "--no-trunc", *words).split())

    def of(self, family: str) -> set[str]:
        """REPOSITORY -> REPOSITORY:TAG of each that is here."""
        return set(self.docker.ask("docker", "image", "ls", "--format", "{{.Repository}}:{{.Tag}}", family).split())

    def remove(self, names: Iterable[str]) -> None:
        """(!) One that is in use stays, and one that is not there is no failure."""
        names = list(names)
        self.docker.ask("docker", "image", "rm", *names, check=False) if names else None

    def clear(self, services: Iterable[str]) -> None:
        """`docker compose down --rmi local` leaves what has another tag than latest."""
        for name in services:
            self.remove(self.named(name, tag) for tag in (BEFORE, NEXT))
            self.remove(self.untagged(name))
