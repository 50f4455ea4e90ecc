"""`./ponte images`: built here, put to a registry, and written down by digest for the machines that run them."""

from collections.abc import Mapping
from typing import Any

from deploy import launcher
from deploy.compose import input, pins
from deploy.compose.docker import Docker
from deploy.compose.images import Images
from deploy.compose.pins import Pins
from deploy.console import Console
from deploy.errors import Refused
from deploy.release import Release, of_checkout
from deploy.settings import Settings
from deploy.variables import SERVICES


def images(settings: Settings, say: Console, words: Mapping[str, Any]) -> None:
    """The target: built here, put to the registry, and written down by digest."""
    if not settings.registry:
        raise Refused("images needs REGISTRY: where to put them, such as registry.example.org/shop")
    launcher.check(settings, SERVICES)
    docker = Docker(settings, say)
    input.refuse_missing_engine(docker)
    input.refuse_missing_images(settings)
    made, release = Images(docker), of_checkout(settings, Release("", settings.release))
    docker.run(*docker.compose("build", "--build-arg", f"RELEASE={release.release}"), text="building the images")
    named = Pins(release, {name: made.published(name, release.tree) for name in pins.BUILT})
    pins.write(settings, named)
    say(
        f"release {release} is in {settings.registry}; {settings.shown(pins.path(settings))} names it by digest, for make up STAGE=production"
    )
