"""Kubernetes runs what compose.yaml runs: each value that stands in both is the same, and a change of one of them is seen."""

import copy
import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import pytest
import yaml

from deploy import edge
from deploy.kubernetes.objects import Object, Workload, dig, of_kind, settings, title, workloads
from deploy.kubernetes.rules import UNITS
from deploy.variables import SERVICES
from tests.config import manifests
from tests.config.manifests import GONE, ROOT, changed, put

LOCUST = ("locust", "locust-worker")
ONES = (*SERVICES, "nginx", "postgres", "migrate", *LOCUST)
SERVED = (*SERVICES, "postgres")
STOPPED = (*SERVICES, "nginx", "postgres", *LOCUST)
# What Kubernetes has otherwise, each for a reason that stands beside it there: pods are reached from elsewhere, ports are a
# Service's, and nginx asks for whole names.
OTHERWISE = {"BIND_ADDRESS", "HTTP_PORT", "HTTPS_PORT", "NAMESPACE", "SERVICE_DOMAIN"}
SHARED = {"settings", "loadtest"}
Services = Mapping[str, Any]
Stack = list[Object]
Values = dict[str, Any]


@cache
def compose() -> Services:
    return yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]


@cache
def stack() -> Stack:
    """The stack with a database and a load test; each object once."""
    found = [*manifests.built()["overlays/local"], *manifests.built()["tests/locust+network-policies"]]
    return list({title(each): each for each in reversed(found)}.values())


@pytest.fixture(autouse=True)
def _needs_kubectl():
    if manifests.lacking():
        pytest.skip(manifests.lacking())


# ------------------------------------------------------------------------------ how each is read


def default(text: Any) -> Any:
    """`${NAME:-value}` -> value; a list of them -> each."""
    if isinstance(text, list):
        return [default(each) for each in text]
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text) if isinstance(text, str) else text


def size(text: str) -> int:
    """64m, 512M, 1G as Compose writes them, 64Mi as Kubernetes does."""
    number, unit = re.fullmatch(r"(\d+)(\w*)", text).groups()
    return int(number) * UNITS[unit if unit[1:] else f"{unit.upper()}i"]


def seconds(text: str) -> int:
    return int(re.fullmatch(r"(\d+)s", text)[1])


def pods(stack: Stack) -> dict[str, Workload]:
    return {each.name: each for each in workloads(stack)}


def user(service: Mapping[str, Any]) -> int:
    """By its number: of an image that is built, the last USER of its Dockerfile."""
    if "build" not in service:
        return {"postgres": 999}[service["user"]]
    return int(re.findall(r"^USER (\d+):", (ROOT / service["build"]["dockerfile"]).read_text(), re.M)[-1])


def image(service: Mapping[str, Any]) -> str:
    """What docs and Dockerfiles call it: apps/Dockerfile makes ponte-app."""
    if "build" not in service:
        return service["image"]
    return {"apps": "ponte-app", "nginx": "ponte-nginx", "loadtests": "ponte-locust"}[
        service["build"]["dockerfile"].partition("/")[0]
    ]


def words(service: Mapping[str, Any]) -> tuple[Any, ...]:
    return service.get("entrypoint"), service.get("command"), service.get("working_dir")


def tmpfs(service: Mapping[str, Any]) -> dict[str, int]:
    found = dict(re.findall(r"^([^:]+):size=(\w+)", "\n".join(service["tmpfs"]), re.M))
    shared = {"/dev/shm": service["shm_size"]} if "shm_size" in service else {}
    return {path: size(text) for path, text in (found | shared).items()}


def in_memory(each: Workload) -> dict[str, int]:
    limits = {
        volume["name"]: size(volume["emptyDir"]["sizeLimit"])
        for volume in each.pod["volumes"]
        if dig(volume, "emptyDir.medium") == "Memory"
    }
    return {mount["mountPath"]: limits[mount["name"]] for mount in mounts(each) if mount["name"] in limits}


def mounts(each: Workload) -> list[Object]:
    return each.container["volumeMounts"]


def written(service: Mapping[str, Any]) -> set[str]:
    """Where something is kept on disk."""
    named = [each.split(":") for each in service.get("volumes", [])]
    return {parts[1] for parts in named if parts[2:] != ["ro"]}


def on_disk(each: Workload) -> set[str]:
    memory = in_memory(each)
    return {
        mount["mountPath"] for mount in mounts(each) if mount["mountPath"] not in memory and not mount.get("readOnly")
    }


def values(service: Mapping[str, Any]) -> Values:
    """The environment, of the names that have a value by default."""
    named = {name: default(text) for name, text in service.get("environment", {}).items() if text is not None}
    return {name: text for name, text in named.items() if name not in OTHERWISE}


def environment(stack: Stack, each: Workload) -> Values:
    own = {env["name"]: env.get("value") for env in each.container.get("env", [])}
    maps = {
        config["metadata"]["name"]: config.get("data", {})
        for config in of_kind(stack, "ConfigMap")
        if config["metadata"]["name"].rpartition("-")[0] in SHARED
    }
    read = [source["configMapRef"]["name"] for source in each.container.get("envFrom", [])]
    return {name: text for data in map(maps.get, read) for name, text in data.items()} | own


def names(services: Services, *of: str) -> set[str]:
    return {name for each in of for name in services[each]["environment"]}


def health(service: Mapping[str, Any]) -> tuple[Any, ...]:
    """What is asked, how often, for how long, and how often in vain."""
    check = service["healthcheck"]
    return check["interval"], check["timeout"], check["retries"]


def readiness(each: Workload) -> tuple[Any, ...]:
    probe = each.container["readinessProbe"]
    return f"{probe['periodSeconds']}s", f"{probe['timeoutSeconds']}s", probe["failureThreshold"]


def asked(service: Mapping[str, Any]) -> tuple[int, str] | list[str]:
    """(port, path) by HTTP, or the words of a command."""
    test = service["healthcheck"]["test"]
    if "/dev/tcp" in test[-1]:
        return int(re.findall(r"/dev/tcp/127.0.0.1/(\d+)", test[-1])[0]), re.findall(r"GET (\S+) ", test[-1])[0]
    if "probe.py" in " ".join(test):
        default_path = re.findall(r'else "(/\w+)"', (ROOT / "apps" / "serve" / "probe.py").read_text())[0]
        return int(test[-1]), default_path
    return test[1:]


def probed(each: Workload) -> tuple[int, str] | list[str]:
    probe = each.container["livenessProbe"]
    if "exec" in probe:
        return probe["exec"]["command"]
    return each.ports[probe["httpGet"]["port"]], probe["httpGet"]["path"]


def hardened(service: Mapping[str, Any]) -> tuple[bool, list[str], bool]:
    return service["read_only"], service["cap_drop"], service["security_opt"] == ["no-new-privileges:true"]


def restricted(each: Workload) -> tuple[bool, list[str], bool]:
    own = each.container["securityContext"]
    return own["readOnlyRootFilesystem"], own["capabilities"]["drop"], not own["allowPrivilegeEscalation"]


def members() -> dict[str, int]:
    """Where nginx asks for each service, from its entrypoint."""
    found = re.findall(r"\((?:member|whole) ([a-z-]+):(\d+)\)", (edge.SOURCE / "entrypoint.sh").read_text())
    return {name: int(port) for name, port in found}


def services(stack: Stack) -> dict[str, int]:
    named = {each["metadata"]["name"]: each["spec"]["ports"][0]["port"] for each in of_kind(stack, "Service")}
    return {name: port for name, port in named.items() if name in members()}


def each_of(of: tuple[str, ...], read: Callable[[Any], Any]) -> Callable[[Mapping[str, Any]], Values]:
    return lambda found: {name: read(found[name]) for name in of}


def of_pods(of: tuple[str, ...], read: Callable[[Workload], Any]) -> Callable[[Stack], Values]:
    return lambda stack: {name: read(pods(stack)[name]) for name in of}


def given(stack: Stack) -> Values:
    """Of the names that Compose gives a value too."""
    found = {name: environment(stack, pods(stack)[name]) for name in ONES}
    return {name: {key: found[name].get(key) for key in values(compose()[name])} for name in ONES}


def unknown_to_compose(stack: Stack) -> set[str]:
    """Settings are read by the applications, by the edge, or by both."""
    everybody = names(compose(), *SERVICES, "migrate", "nginx") | OTHERWISE
    strangers = set(settings(stack)) - everybody
    for name in ONES:
        own = {each["name"] for each in pods(stack)[name].container.get("env", [])}
        strangers |= own - names(compose(), name) - OTHERWISE
    for name in LOCUST:
        strangers |= environment(stack, pods(stack)[name]).keys() - names(compose(), "locust")
    return strangers


# what -> (read from compose.yaml, read from the manifests)
COMPARED: dict[str, tuple[Callable[[Services], Any], Callable[[Stack], Any]]] = {
    "images": (each_of(ONES, image), of_pods(ONES, lambda each: each.container["image"].removesuffix(":dev"))),
    "commands": (each_of(ONES, words), of_pods(ONES, lambda each: (
        each.container.get("command"), each.container.get("args"), each.container.get("workingDir")))),
    "users": (each_of(ONES, user), of_pods(ONES, lambda each: dig(each.pod, "securityContext.runAsUser"))),
    "memory": (each_of(ONES, lambda each: size(each["deploy"]["resources"]["limits"]["memory"])),
               of_pods(ONES, lambda each: size(dig(each.container, "resources.limits.memory")))),
    "files in memory": (each_of(ONES, tmpfs), of_pods(ONES, in_memory)),
    "files on disk": (each_of(ONES, written), of_pods(ONES, on_disk)),
    "environment": (each_of(ONES, values), given),
    "names of variables": (lambda _: set(), unknown_to_compose),
    "replicas": (each_of((*SERVICES, "locust-worker"), lambda each: int(default(str(each["deploy"]["replicas"])))),
                 of_pods((*SERVICES, "locust-worker"), lambda each: each.spec.get("replicas") or each.spec["completions"])),
    "grace": (each_of(STOPPED, lambda each: seconds(each["stop_grace_period"])),
              of_pods(STOPPED, lambda each: each.finishing)),
    "what asks for health": (each_of((*SERVED, "nginx"), asked), of_pods((*SERVED, "nginx"), probed)),
    "how often it is asked": (each_of((*SERVED, "nginx"), health), of_pods((*SERVED, "nginx"), readiness)),
    "hardening": (each_of(ONES, hardened), of_pods(ONES, restricted)),
    "where nginx asks": (lambda _: members(), services),
    "ports of the edge": (lambda found: {port["target"] for port in found["nginx"]["ports"]},
                          lambda stack: set(pods(stack)["nginx"].ports.values())),
    "who comes back": (each_of(STOPPED, lambda each: "restart" in each),
                       of_pods(STOPPED, lambda each: each.pod.get("restartPolicy", "Always") == "Always")),
}  # fmt: skip


@pytest.mark.parametrize("what", COMPARED)
def test_it_is_what_compose_has(what: str):
    of_compose, of_stack = COMPARED[what]

    assert of_stack(stack()) == of_compose(compose())


# A value changed in one place only: in compose.yaml ("compose", path), or in an object of Kubernetes (title, path).
CONTAINER = "spec.template.spec.containers.0"
FLASK = "Deployment flask"
CHANGES = [
    ("images", "compose", "postgres.image", "postgres:18"),
    ("images", FLASK, f"{CONTAINER}.image", "ponte-flask:dev"),
    ("commands", "compose", "flask.command", ["shop"]),
    ("commands", "Job migrate", f"{CONTAINER}.args", ["migrate"]),
    ("users", "compose", "flask.build.dockerfile", "nginx/Dockerfile"),
    ("users", "Deployment nginx", "spec.template.spec.securityContext.runAsUser", 101),
    ("memory", "compose", "flask.deploy.resources.limits.memory", "513M"),
    ("memory", "StatefulSet postgres", f"{CONTAINER}.resources.limits.memory", "2Gi"),
    ("files in memory", "compose", "nginx.tmpfs", ["/tmp:size=16m"]),
    ("files in memory", "Deployment nginx", "spec.template.spec.volumes.2.emptyDir.sizeLimit", "145Mi"),
    ("files in memory", FLASK, f"{CONTAINER}.volumeMounts.1.mountPath", "/var/tmp"),
    ("files on disk", "compose", "nginx.volumes", []),
    ("files on disk", "StatefulSet postgres", f"{CONTAINER}.volumeMounts.0.mountPath", "/data"),
    ("environment", "compose", "flask.environment.SECRET_KEY_FILE", "/run/key"),
    ("environment", "compose", "nginx.environment.MAX_UPLOAD", "${MAX_UPLOAD:-2g}"),
    ("environment", "ConfigMap settings", "data.FORWARDED_ALLOW_IPS", "10.0.0.0/8"),
    ("names of variables", "ConfigMap settings", "data.COLOUR", "blue"),
    ("names of variables", FLASK, f"{CONTAINER}.env.0.name", "DATABASE_ADDRESS_FILE"),
    ("replicas", "compose", "flask.deploy.replicas", "${FLASK_REPLICAS:-3}"),
    ("replicas", FLASK, "spec.replicas", 1),
    ("replicas", "Job locust-worker", "spec.completions", 1),
    ("grace", "compose", "nginx.stop_grace_period", "70s"),
    ("grace", FLASK, "spec.template.spec.terminationGracePeriodSeconds", 45),
    ("grace", FLASK, f"{CONTAINER}.lifecycle.preStop.sleep.seconds", 11),
    ("what asks for health", "compose", "flask.healthcheck.test", ["CMD", "python", "probe.py", "8005"]),
    ("what asks for health", FLASK, f"{CONTAINER}.ports.0.containerPort", 8011),
    ("what asks for health", "Deployment nginx", f"{CONTAINER}.livenessProbe.httpGet.path", "/"),
    ("how often it is asked", "compose", "flask.healthcheck.retries", 4),
    ("how often it is asked", FLASK, f"{CONTAINER}.readinessProbe.timeoutSeconds", 1),
    ("hardening", "compose", "locust.read_only", False),
    ("hardening", "Job locust", f"{CONTAINER}.securityContext.readOnlyRootFilesystem", False),
    ("where nginx asks", "Service flask", "spec.ports.0.port", 8014),
    ("where nginx asks", "Service locust", "metadata.name", "master"),
    ("ports of the edge", "compose", "nginx.ports", []),
    ("ports of the edge", "Deployment nginx", f"{CONTAINER}.ports.1", GONE),
    ("who comes back", "compose", "locust.restart", "always"),
    ("who comes back", "Job locust", "spec.template.spec.restartPolicy", GONE),
]  # fmt: skip


@pytest.mark.parametrize(("what", "where", "path", "value"), CHANGES)
def test_a_value_changed_in_one_place_is_seen(what: str, where: str, path: str, value: Any):
    of_compose, of_stack = COMPARED[what]
    found, served = stack(), copy.deepcopy(compose())
    if where == "compose":
        put(served, path, value)
    else:
        found = changed(found, whole(where), path, value)

    assert of_stack(found) != of_compose(served)


def whole(where: str) -> str:
    """The title with the hash that a ConfigMap has."""
    return next(each for each in map(title, stack()) if re.fullmatch(rf"{where}(-[a-z0-9]{{10}})?", each))


def test_every_comparison_was_seen_to_fail_from_the_side_of_kubernetes_and_from_that_of_compose():
    """But for two that are read from compose.yaml as nothing, or from nginx/entrypoint.sh."""
    from_compose = {what for what, where, *_ in CHANGES if where == "compose"}
    from_kubernetes = {what for what, where, *_ in CHANGES if where != "compose"}

    assert from_kubernetes == set(COMPARED)
    assert set(COMPARED) - from_compose == {"names of variables", "where nginx asks"}
