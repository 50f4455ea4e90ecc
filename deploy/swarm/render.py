"""Makes one stack file of compose.yaml and overlay.yaml, as `docker compose config` reads them together.

`docker stack` refuses some of what Compose writes and silently ignores some: the first is rewritten, the second left
out, so that the file says what will be. It is checked by `docker stack config`, which needs no Swarm.
"""

import re
from collections.abc import Mapping
from typing import Any

from deploy.compose.containers import FOLDER
from deploy.variables import SERVICES, size

Config = dict[str, Any]
VERSION = "3.9"  # (!) Without one, older clients take a format of 2014
ONCE = ("secrets", "credentials")  # Docker's own secrets take the place of what they write, and of these volumes
LEFT_OUT = (
    "build", "container_name", "depends_on", "develop", "group_add", "profiles", "restart", "scale", "security_opt",
    "shm_size", "tmpfs",
)  # fmt: skip
TOP = ("services", "networks", "volumes", "secrets")
READY_FIRST = "--ready-first"  # a word of apps/serve/probe.py


def stack(
    config: Mapping[str, Any],
    images: Mapping[str, str],
    secrets: Mapping[str, str],
    counts: Mapping[str, int],
    together: bool = False,
) -> Config:
    """`images` and `counts` by service, `secrets` word -> name in the Swarm; `together`: a release replaces all at once."""
    project = config["name"]
    services = {name: each for name, each in config["services"].items() if name not in ONCE}
    made = {name: service(name, each, images, secrets, counts) for name, each in services.items()}
    if together:
        for name in SERVICES:
            made[name]["deploy"]["update_config"] = made[name]["deploy"]["update_config"] | {"parallelism": 0}
    return {
        "version": VERSION,
        "services": made,
        "networks": {key: own(project, key, each, "driver", "attachable", "internal") for key, each in config["networks"].items()},
        "volumes": {key: own(project, key, each, "driver") for key, each in config["volumes"].items() if key not in ONCE},
        "secrets": {key: {"external": True, "name": name} for key, name in secrets.items()},
    }  # fmt: skip


def own(project: str, key: str, found: Mapping[str, Any], *kept: str) -> Config:
    """A name that no stack of plain Compose has: another engine's data have another password."""
    return {"name": f"{project}-swarm_{key}"} | {word: found[word] for word in kept if word in (found or {})}


def service(
    name: str,
    found: Mapping[str, Any],
    images: Mapping[str, str],
    secrets: Mapping[str, str],
    counts: Mapping[str, int],
) -> Config:
    made = {key: value for key, value in found.items() if key not in LEFT_OUT and value is not None}
    made["image"] = images.get(name) or found["image"]
    made["environment"] = {key: value for key, value in (found.get("environment") or {}).items() if value is not None}
    made["networks"] = list(found["networks"])
    made["volumes"] = [*mounts(found), *memory(found)]
    made["secrets"] = [
        {**each, "target": each.get("target", each["source"])}
        for each in found.get("secrets", ())
        if each["source"] in secrets
    ]
    if found.get("ports"):
        made["ports"] = [port(each) for each in found["ports"]]
    if name in SERVICES:
        made["healthcheck"] = found["healthcheck"] | {"test": [*found["healthcheck"]["test"], READY_FIRST]}
        made["deploy"] = found["deploy"] | {"replicas": counts[name]}
    return made  # fmt: skip


def mounts(found: Mapping[str, Any]) -> list[Config]:
    kept = ("type", "source", "target", "read_only")
    volumes = [each for each in found.get("volumes", ()) if each["source"] not in ONCE]
    return [{key: each[key] for key in kept if key in each} for each in volumes]


def memory(found: Mapping[str, Any]) -> list[Config]:
    """What Compose calls tmpfs and shm_size. (!) They belong to everybody in the container, who is one: a Swarm knows no uid."""
    wanted = dict(re.fullmatch(r"([^:]+):size=([^,]+).*", each).groups() for each in found.get("tmpfs", ()))  # type: ignore[union-attr, misc]
    if "shm_size" in found:
        wanted["/dev/shm"] = found["shm_size"]
    return [{"type": "tmpfs", "target": path, "tmpfs": {"size": size(text)}} for path, text in wanted.items()]


def port(found: Mapping[str, Any]) -> Config:
    """Compose prints the published one as text, and knows addresses."""
    return {"target": found["target"], "published": int(found["published"]), "protocol": found["protocol"], "mode": "host"}  # fmt: skip


def labelled(made: Config, root: str) -> Config:
    """By which checkout its containers were started: two may have one project name."""
    for each in made["services"].values():
        each["labels"] = {FOLDER: root}
    return made
