"""Images that were built before, by digest: `./ponte images` writes which, STAGE=production runs them and builds nothing.

The file is an override for Compose as well: docker compose -f compose.yaml -f deploy/compose/production.yaml -f .run/images.json up
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from deploy import state
from deploy.compose.containers import ONCE
from deploy.errors import impossible
from deploy.release import Release, of_checkout
from deploy.settings import Settings
from deploy.variables import SERVICES

BUILT = ("nginx", *SERVICES, *ONCE)
FILE = "images.json"


@dataclass(frozen=True)
class Pins:
    release: Release
    images: Mapping[str, str]  # service -> REPOSITORY@sha256:...


def path(settings: Settings) -> Path:
    return settings.run / FILE


def read(settings: Settings) -> Pins | None:
    """None: images are built here."""
    file = path(settings)
    if settings.stage != "production" or not file.exists():
        return None
    try:
        found = json.loads(file.read_text())
        named = {name: each["image"] for name, each in found["services"].items()}
        pins = Pins(Release(**found["x-release"]), named)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise impossible(f"{settings.shown(file)} is damaged; ./ponte images REGISTRY= writes it again") from None
    if missing := [name for name in BUILT if name not in named]:
        raise impossible(
            f"{settings.shown(file)} names no image of {missing[0]}; ./ponte images REGISTRY= writes it again"
        )
    return pins


def write(settings: Settings, pins: Pins) -> None:
    services = {name: {"image": each, "pull_policy": "missing"} for name, each in pins.images.items()}
    made = {"x-release": asdict(pins.release), "services": services}
    state.replace(path(settings), json.dumps(made, indent=2) + "\n")


def offered(settings: Settings, now: Release) -> Release:
    """What a deploy would release: what is pinned, else the tree of the checkout."""
    pins = read(settings)
    return pins.release if pins else of_checkout(settings, now)
