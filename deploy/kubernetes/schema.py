"""Asks the schemas of Kubernetes itself, without a cluster, whether every field is one and has the right type."""

from collections.abc import Iterable
from functools import cache
from typing import Any

from deploy.kubernetes.objects import Object, title

# The oldest has `preStop.sleep`; what both take, those between take.
OLDEST, NEWEST = VERSIONS = "1.30", "1.37"
# Kinds that a cluster was taught, whose schemas are not Kubernetes' own.
TAUGHT = {("gateway.networking.k8s.io/v1", "HTTPRoute")}


def misfits(objects: Iterable[Object], versions: Iterable[str] = VERSIONS) -> list[str]:
    """What an API server would refuse, one sentence each."""
    found = (misfit(each, version) for each in objects for version in versions)
    return list(dict.fromkeys(filter(None, found)))


@cache
def validator() -> Any:
    from kubernetes_validate import utils

    utils.schema_contents = cache(utils.schema_contents)  # (!) it would read the same megabytes for every object
    return utils


def misfit(each: Object, version: str) -> str:
    utils = validator()
    if (each.get("apiVersion"), each.get("kind")) in TAUGHT:
        return ""
    try:
        utils.validate(each, version, strict=True)
    except utils.SchemaNotFoundError:
        return f"{title(each)}: Kubernetes {version} knows no {each['apiVersion']} {each['kind']}"
    except utils.ValidationError as error:
        where = ".".join(str(part) for part in error.path) or "at its top"
        return f"{title(each)}, {where}: {error.message}"
    return ""
