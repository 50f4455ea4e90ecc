"""The overlays and combinations of deploy/kubernetes, each built once a run, and copies of them with one thing changed."""

import copy
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from deploy import environment
from deploy.errors import Failure
from deploy.kubernetes.objects import Object, need_kubectl, rendered, title
from tests.contract import ROOT

HERE = ROOT / "deploy" / "kubernetes"
FOLDERS = [each.parent for each in sorted(HERE.glob("[ot]*/*/kustomization.yaml"))]
GONE = object()  # as a value: the field is taken away


def name(folder: Path) -> str:
    return str(folder.relative_to(HERE))


@cache
def lacking() -> str:
    """Why nothing can be built here."""
    try:
        need_kubectl()
        environment.need(ROOT, "deploy/kubernetes")
    except Failure as reason:
        return str(reason)
    return ""


@cache
def built() -> dict[str, list[Object]]:
    if lacking():
        pytest.skip(lacking())
    with ThreadPoolExecutor(2) as pool:
        return dict(zip(map(name, FOLDERS), pool.map(rendered, FOLDERS), strict=True))


def changed(objects: list[Object], of: str, path: str, value: Any) -> list[Object]:
    """A copy with another value at `spec.replicas`, `spec.template.spec.containers.0.image`, ... of the object with this title."""
    mutated = copy.deepcopy(objects)
    (found,) = [each for each in mutated if title(each) == of]
    put(found, path, value)
    return mutated


def put(found: Any, path: str, value: Any) -> None:
    *way, last = [int(key) if key.isdigit() else key for key in path.split("/" if "/" in path else ".")]
    for key in way:
        found = found[key]
    if value is GONE:
        del found[last]
    else:
        found[last] = value
