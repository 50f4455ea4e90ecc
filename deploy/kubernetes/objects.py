"""What kubectl makes of a kustomization, as Python sees it."""

import re
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from deploy.errors import Refused, impossible
from deploy.run import quiet

Object = dict[str, Any]
NAME, COMPONENT = "app.kubernetes.io/name", "app.kubernetes.io/component"
APP, EDGE, MIGRATION = "app", "edge", "migration"  # of COMPONENT
WORKLOADS = ("Deployment", "StatefulSet", "Job")


def need_kubectl() -> None:
    if not shutil.which("kubectl"):
        raise impossible("kubectl is not installed; on Debian: sudo deploy/images/next kubectl")


def rendered(folder: Path) -> list[Object]:
    need_kubectl()
    answer = quiet(["kubectl", "kustomize", folder], capture_output=True)
    if answer.returncode:
        raise Refused(f"{folder} cannot be built: {said(answer.stderr)}")
    return list(filter(None, yaml.load_all(answer.stdout, yaml.CSafeLoader)))


def said(stderr: str) -> str:
    """What kubectl complains of, in one line: without its log's lines, unless it said nothing else."""
    lines = [line for line in stderr.splitlines() if not re.match(r"[EIW]\d{4} ", line)]
    own = any(line[:1].strip() for line in lines)
    text = " ".join(" ".join(lines if own else [stderr]).split())
    return re.sub(r'^(E\d{4} .*? err=[<"]?|error: |Error from server \(\w+\): )', "", text).strip('">\\ ')


def title(each: Object) -> str:
    return f"{each['kind']} {each['metadata']['name']}"


def of_kind(objects: Iterable[Object], *kinds: str) -> list[Object]:
    return [each for each in objects if each["kind"] in kinds]


def dig(value: Any, path: str, default: Any = None) -> Any:
    """`dig(pod, "securityContext.runAsUser")`; the default where something on the way is absent."""
    for key in path.split("."):
        if not isinstance(value, Mapping) or key not in value:
            return default
        value = value[key]
    return value


@dataclass(frozen=True)
class Workload:
    """A Deployment, StatefulSet or Job, of which each pod has one container."""

    object: Object

    @property
    def kind(self) -> str:
        return self.object["kind"]

    @property
    def name(self) -> str:
        return self.object["metadata"]["name"]

    @property
    def spec(self) -> Object:
        return self.object["spec"]

    @property
    def labels(self) -> Mapping[str, str]:
        return dig(self.spec, "template.metadata.labels", {})

    @property
    def component(self) -> str:
        return self.labels.get(COMPONENT, "")

    @property
    def pod(self) -> Object:
        return self.spec["template"]["spec"]

    @property
    def containers(self) -> list[Object]:
        return [*self.pod["containers"], *self.pod.get("initContainers", [])]

    @property
    def container(self) -> Object:
        return self.containers[0]

    @cached_property
    def ports(self) -> dict[str, int]:
        return {each.get("name", ""): each["containerPort"] for each in self.container.get("ports", [])}

    @property
    def pre_stop(self) -> int:
        return dig(self.container, "lifecycle.preStop.sleep.seconds", 0)

    @property
    def finishing(self) -> int:
        """Seconds between SIGTERM and the end."""
        return self.pod.get("terminationGracePeriodSeconds", 30) - self.pre_stop


def workloads(objects: Iterable[Object]) -> list[Workload]:
    return [Workload(each) for each in of_kind(objects, *WORKLOADS)]


def settings(objects: Iterable[Object]) -> dict[str, str]:
    """Of the applications and the edge: the ConfigMap that base/settings.env begins."""
    for each in of_kind(objects, "ConfigMap"):
        if each["metadata"]["name"].startswith("settings"):
            return each.get("data", {})
    return {}


def secrets(objects: Iterable[Object]) -> dict[str, set[str]]:
    """Secrets that must be there before a pod starts -> their keys."""
    needed: dict[str, set[str]] = {}
    for each in workloads(objects):
        for volume in each.pod.get("volumes", []):
            secret = volume.get("secret")
            if secret and not secret.get("optional"):
                needed.setdefault(secret["secretName"], set()).update(item["key"] for item in secret.get("items", []))
    return needed
