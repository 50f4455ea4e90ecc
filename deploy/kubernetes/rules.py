"""What must hold for a rendered overlay beside the schemas; a release breaks none of them, and tests hold every combination to them."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace

from deploy import launcher
from deploy.errors import Refused
from deploy.kubernetes.objects import (
    APP,
    EDGE,
    NAME,
    Object,
    Workload,
    dig,
    of_kind,
    settings,
    title,
    workloads,
)
from deploy.limits import LISTENER, MAX_CONNECTIONS, RESERVED, Demand
from deploy.settings import ROOT, Settings, build, merge
from deploy.variables import SERVICES, VARIABLES, unknown

MIB = 1024**2
WORKER_MEMORY = 128 * MIB  # of apps/serve/workers.py
EDGE_SECONDS = 60  # worker_shutdown_timeout of nginx
SECRETS = ("DATABASE_URL", "SECRET_KEY")
SHARED = ("hostNetwork", "hostPID", "hostIPC")
VOLUMES = {"configMap", "downwardAPI", "emptyDir", "persistentVolumeClaim", "projected", "secret"}
UNITS = {"": 1, "k": 1000, "M": 1000**2, "G": 1000**3, "Ki": 1024, "Mi": MIB, "Gi": 1024 * MIB}
Holds = Callable[[Workload], bool]


def broken(objects: list[Object]) -> list[str]:
    """One sentence for each rule that something breaks."""
    return [*known_settings(objects)] or [*of_pods(objects), *(each for rule in TOGETHER for each in rule(objects))]


def of_pods(objects: Iterable[Object]) -> Iterator[str]:
    for each in workloads(objects):
        for kinds, duty, holds in DUTIES:
            if each.kind in kinds and not holds(each):
                yield f"{title(each.object)} has to {duty}"


# ------------------------------------------------------------------------------ of one workload


def as_nobody(each: Workload) -> bool:
    return dig(each.pod, "securityContext.runAsNonRoot") is True and dig(each.pod, "securityContext.runAsUser", 0) > 0


def without_capabilities(each: Workload) -> bool:
    return dig(each.container, "securityContext.capabilities") == {"drop": ["ALL"]}


def apart(each: Workload) -> bool:
    volumes = each.pod.get("volumes", [])
    return not any(each.pod.get(name) for name in SHARED) and all(VOLUMES & volume.keys() for volume in volumes)


def memory(each: Workload, of: str = "limits") -> int:
    quantity = re.fullmatch(r"(\d+)([kKMG]i?|)", str(dig(each.container, f"resources.{of}.memory", "")))
    return int(quantity[1]) * UNITS[quantity[2]] if quantity else 0


def versioned(each: Workload) -> bool:
    _, _, tag = each.container["image"].rpartition("/")[2].partition(":")
    return "@" in each.container["image"] or tag not in ("", "latest")


def probed(each: Workload) -> bool:
    return all(f"{name}Probe" in each.container for name in ("startup", "liveness", "readiness"))


def lives_without_database(each: Workload) -> bool:
    return dig(each.container, "livenessProbe.httpGet.path") in (None, "/healthz")


def spread(each: Workload) -> bool:
    return "kubernetes.io/hostname" in [every["topologyKey"] for every in each.pod.get("topologySpreadConstraints", [])]


ALL, LASTING, REPLACED = ("Deployment", "StatefulSet", "Job"), ("Deployment", "StatefulSet"), ("Deployment",)
DUTIES: tuple[tuple[tuple[str, ...], str, Holds], ...] = (
    (ALL, "have one container, for no rule looks at a second", lambda each: len(each.containers) == 1),
    (ALL, "run as a user that is not root, by number (runAsNonRoot, runAsUser)", as_nobody),
    (ALL, "have the seccomp profile RuntimeDefault",
     lambda each: dig(each.pod, "securityContext.seccompProfile.type") == "RuntimeDefault"),
    (ALL, "gain no privileges (allowPrivilegeEscalation: false)",
     lambda each: dig(each.container, "securityContext.allowPrivilegeEscalation") is False),
    (ALL, "drop every capability and add none", without_capabilities),
    (ALL, "have a read-only root file system",
     lambda each: dig(each.container, "securityContext.readOnlyRootFilesystem") is True),
    (ALL, "have no key to the cluster (automountServiceAccountToken: false)",
     lambda each: each.pod.get("automountServiceAccountToken") is False),
    (ALL, "share nothing with its machine", apart),
    (ALL, "be granted the memory it asks for, and no more",
     lambda each: memory(each) == memory(each, "requests") > 0),
    (ALL, "ask for CPU and have no limit on it",
     lambda each: bool(dig(each.container, "resources.requests.cpu")) and not dig(each.container, "resources.limits.cpu")),
    (ALL, "name the version of its image, and not `latest`", versioned),
    (LASTING, "have a startup, a liveness and a readiness probe", probed),
    (LASTING, "live without a database: its liveness probe asks /healthz", lives_without_database),
    (REPLACED, "leave the routing before it stops (preStop sleep)", lambda each: each.pre_stop > 0),
    (REPLACED, "keep all replicas while it is replaced (maxUnavailable: 0)",
     lambda each: dig(each.spec, "strategy.rollingUpdate.maxUnavailable") == 0),
    (REPLACED, "be spread over machines (topologySpreadConstraints)", spread),
)  # fmt: skip


# ------------------------------------------------------------------------------ of all of them together


def stopped_in_time(objects: list[Object]) -> Iterator[str]:
    """preStop and terminationGracePeriodSeconds begin together; what is left has to be longer than the server takes."""
    takes = {APP: of_stack(objects).graceful_timeout, EDGE: EDGE_SECONDS}
    for each in workloads(objects):
        if each.finishing <= takes.get(each.component, 0):
            yield (f"{title(each.object)} is killed {each.finishing} s after preStop ({each.pre_stop} s), and its server takes "
                   f"{takes[each.component]} s to finish: raise terminationGracePeriodSeconds")  # fmt: skip


def known_settings(objects: list[Object]) -> Iterator[str]:
    """Each is a variable that somebody reads, with a value that is one."""
    given = settings(objects)
    near = unknown(given)
    yield from (f"the setting {name} is unknown; did you mean {meant}?" for name, meant in near.items())
    yield from (f"the setting {name} is unknown" for name in given.keys() - VARIABLES.keys() - near.keys())
    yield from (
        f"the setting {name} is a secret; it belongs into the Secret ponte" for name in SECRETS if name in given
    )
    yield from (f"the setting {name} is read by nobody; replicas: in the overlay says how many"
                for name in given if name.endswith("_REPLICAS"))  # fmt: skip
    try:
        launcher.check(of_stack(objects), SERVICES)
    except Refused as wrong:
        yield f"the setting {wrong}"


def of_stack(objects: Iterable[Object]) -> Settings:
    given = merge(settings(objects))
    return build(given, given, ROOT, ROOT / ".run")


def led_to(objects: list[Object]) -> Iterator[str]:
    """A Service leads to pods and to a port that they have."""
    pods = workloads(objects)
    for service in (each for each in of_kind(objects, "Service") if "selector" in each["spec"]):
        chosen = [each for each in pods if matches(service["spec"]["selector"], each.labels)]
        if not chosen:
            yield f"{title(service)} leads to no pod: nothing has the labels {service['spec']['selector']}"
        for each in chosen:
            for port in service["spec"]["ports"]:
                target = port.get("targetPort", port["port"])
                if target not in each.ports and target not in each.ports.values():
                    yield f"{title(service)} leads to port {target}, which {title(each.object)} has not"


def matches(selector: Mapping[str, str], labels: Mapping[str, str]) -> bool:
    return selector.items() <= labels.items()


def configured(objects: list[Object]) -> Iterator[str]:
    held = {each["metadata"]["name"] for each in of_kind(objects, "ConfigMap")}
    for each in workloads(objects):
        for source in each.container.get("envFrom", []):
            name = dig(source, "configMapRef.name")
            if name not in held:
                yield f"{title(each.object)} reads the ConfigMap {name}, which is not there"


def scaled_by_one(objects: list[Object]) -> Iterator[str]:
    deployments = {each.name: each for each in workloads(objects) if each.kind == "Deployment"}
    for scaler in of_kind(objects, "HorizontalPodAutoscaler"):
        name = scaler["spec"]["scaleTargetRef"]["name"]
        if name not in deployments:
            yield f"{title(scaler)} scales Deployment {name}, which is not there"
        elif "replicas" in deployments[name].spec:
            yield f"Deployment {name} has replicas and an autoscaler, which a release would undo: remove one"


def connected(objects: list[Object]) -> Iterator[str]:
    """As deploy/limits.py, for the most replicas there may be and the one more of a rollout."""
    most = {
        each["metadata"]["name"]: each["spec"]["maxReplicas"] for each in of_kind(objects, "HorizontalPodAutoscaler")
    }
    stack = of_stack(objects)
    apps = [each for each in workloads(objects) if each.component == APP and each.name in SERVICES]
    demands = {each.name: demand(each, most.get(each.name) or each.spec.get("replicas", 1), stack) for each in apps}
    total = sum(each.connections for each in demands.values()) + RESERVED
    if total > MAX_CONNECTIONS:
        parts = ", ".join(f"{name} {each}" for name, each in demands.items())
        yield (f"replicas, one more in a rollout, x workers x (DATABASE_POOL + {LISTENER}), plus {RESERVED}, is {total} "
               f"connections ({parts}); PostgreSQL takes {MAX_CONNECTIONS}: lower one of them")  # fmt: skip


def demand(each: Workload, replicas: int, stack: Settings) -> Demand:
    """(!) Not knowing the machines, as many workers as the memory allows."""
    server = launcher.table(ROOT)["servers"].get(launcher.server(stack, each.name), {})
    workers = memory(each) // WORKER_MEMORY if server.get("per_cpu") else 1
    pool = int(stack.app("DATABASE_POOL", each.name))
    one = Demand(replicas, int(stack.app("WEB_CONCURRENCY", each.name) or workers), pool)
    return replace(one, replicas=one.replicas + int(dig(each.spec, "strategy.rollingUpdate.maxSurge", 1)))


def believed(objects: list[Object]) -> Iterator[str]:
    """Behind something that ends TLS the edge sees http://, unless it believes what that says of the client."""
    stack = of_stack(objects)
    for each in of_kind(objects, "Ingress", "HTTPRoute"):
        if stack.https_redirect and not stack.trusted_proxies:
            yield f"{title(each)} would lead in circles: the edge redirects to HTTPS and believes nobody; set TRUSTED_PROXIES"


def named(objects: list[Object]) -> Iterator[str]:
    known = of_stack(objects).server_names
    for each in of_kind(objects, "Ingress", "HTTPRoute"):
        hosts = each["spec"].get("hostnames") or [rule["host"] for rule in each["spec"]["rules"] if "host" in rule]
        yield from (f"{title(each)} leads to {host}, which SERVER_NAMES has not" for host in hosts if host not in known)


def allowed(objects: list[Object]) -> Iterator[str]:
    """Where policies deny what they do not name, they name every port that pods listen on."""
    policies = of_kind(objects, "NetworkPolicy")
    if not policies:
        return
    rules = [rule for each in policies for rule in each["spec"].get("ingress", [])]
    opened = {port["port"] for rule in rules for port in rule.get("ports", [])}
    for each in workloads(objects):
        yield from (f"no NetworkPolicy lets anybody in to port {port} of {title(each.object)}"
                    for port in each.ports.values() if port not in opened)  # fmt: skip


def protected(objects: list[Object]) -> Iterator[str]:
    found = {each.labels.get(NAME) for each in workloads(objects)}
    for each in of_kind(objects, "PodDisruptionBudget"):
        name = dig(each, "spec.selector.matchLabels", {}).get(NAME)
        if name and name not in found:
            yield f"{title(each)} protects {name}, which is not there"


def unfinished(objects: list[Object]) -> Iterator[str]:
    """In production an image is a release's, not whatever was built last on some machine."""
    if settings(objects).get("STAGE") == "production":
        for each in workloads(objects):
            if each.container["image"].endswith(":dev"):
                yield f"{title(each.object)} has the image {each.container['image']}; a release has a name: newTag, or --release"


TOGETHER: tuple[Callable[[list[Object]], Iterator[str]], ...] = (
    stopped_in_time, led_to, configured, scaled_by_one, connected, believed, named, allowed, protected, unfinished,
)  # fmt: skip
