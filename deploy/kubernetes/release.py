"""One release: what stands beside the pods, the migrations, then the Deployments; whatever fails, what served serves again."""

import re
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import yaml

from deploy.errors import LOG_LINES, Answer, Refused, below
from deploy.kubernetes import rules, schema
from deploy.kubernetes.cluster import Cluster
from deploy.kubernetes.objects import (
    APP,
    EDGE,
    MIGRATION,
    Object,
    Workload,
    of_kind,
    rendered,
    secrets,
    title,
    workloads,
)
from deploy.release import go_back
from deploy.state import replace

OURS = (APP, EDGE, MIGRATION)  # whose images are made with a release
POLL_SECONDS = 1.0
SPARE_SECONDS = 30  # beyond what the cluster itself gives a Job
DATABASE_SECONDS = 300  # a first start, with a disk to be made


@dataclass(frozen=True)
class Release:
    name: str
    namespace: str
    beside: list[Object]  # settings, Services, policies, a demo's database
    migration: Workload
    deployments: list[Workload]

    @property
    def files(self) -> dict[str, list[Object]]:
        return {
            "1-beside.yaml": self.beside,
            "2-migration.yaml": [self.migration.object],
            "3-deployments.yaml": [each.object for each in self.deployments],
        }


def prepared(folder: Path, name: str = "") -> Release:
    """Checked without a cluster: nothing of a release that breaks a rule is sent to one."""
    objects = rendered(folder)
    if name:
        tag(objects, name)
    if found := schema.misfits(objects) or rules.broken(objects):
        raise Refused(f"{folder}: {found[0]}" + (f" (and {len(found) - 1} more)" if found[1:] else ""))
    return parted(folder, objects)


def parted(folder: Path, objects: list[Object]) -> Release:
    deployments, jobs = (workloads(of_kind(objects, kind)) for kind in ("Deployment", "Job"))
    migrations = [each for each in jobs if each.component == MIGRATION]
    if len(migrations) != 1 or not deployments:
        raise Refused(f"{folder} holds no release: it needs Deployments and the Job migrate of deploy/kubernetes/base")
    if others := [title(each.object) for each in jobs if each not in migrations]:
        raise Refused(
            f"{folder} holds {' and '.join(others)}, which no release can change; keep it in an overlay of its own"
        )
    beside = [each for each in objects if each["kind"] not in ("Job", "Deployment")]
    (migration,) = migrations
    namespace = migration.object["metadata"].get("namespace", "default")
    release = version(migration.container["image"])
    migration.object["metadata"]["name"] = f"{migration.name}-{release}"
    return Release(release, namespace, beside, migration, deployments)


def tag(objects: Iterable[Object], name: str) -> None:
    for each in workloads(objects):
        if each.component in OURS:
            each.container["image"] = tagged(each.container["image"], name)


def tagged(image: str, name: str) -> str:
    """(!) A colon before a slash is a registry's port."""
    return re.sub(r"(:[^/@]+)?(@.+)?$", "", image) + f":{name}"


def version(image: str) -> str:
    """Its tag, else the beginning of its digest, as a part of a name in Kubernetes."""
    plain, _, digest = image.partition("@sha256:")
    text = digest[:12] or plain.rpartition(":")[2]
    return re.sub("[^a-z0-9]+", "-", text.lower())[:50].strip("-")


def released(release: Release, cluster: Cluster, folder: Path) -> None:
    """In order; up to the Deployments nothing that serves is touched."""
    for name, objects in release.files.items():
        replace(folder / name, yaml.safe_dump_all(objects, sort_keys=False))
    if not cluster.dry:
        cluster.introduce()
        for name, keys in secrets(_all(release)).items():
            cluster.need_secret(name, keys)
    for name in ("1-beside.yaml", "3-deployments.yaml"):  # not the Job: one of the same name may be there still
        cluster.accepts(folder / name)
    before = {} if cluster.dry else {each.name: serving(cluster, each.name) for each in release.deployments}
    beside(release, cluster, folder / "1-beside.yaml")  # the first that changes anything
    migrate(release.migration, cluster, folder / "2-migration.yaml")
    try:
        roll(release.deployments, cluster, folder / "3-deployments.yaml")
    except BaseException as error:
        back(error, before, cluster)
    cluster.say(f"release {release.name} " + ("would serve" if cluster.dry else "serves"))


def _all(release: Release) -> list[Object]:
    return [each for objects in release.files.values() for each in objects]


def beside(release: Release, cluster: Cluster, path: Path) -> None:
    cluster.must(Answer, "nothing that serves was touched", "apply", "--filename", path)
    for each in workloads(of_kind(release.beside, "StatefulSet")):
        waited = ("rollout", "status", f"statefulset/{each.name}", f"--timeout={DATABASE_SECONDS}s")
        cluster.must(Answer, f"{title(each.object)} is not ready, and nothing that serves was touched", *waited)


def migrate(job: Workload, cluster: Cluster, path: Path) -> None:
    """A Job of this name that ran before goes first: one cannot be changed, and one that failed would not run again."""
    undone = "nothing that serves was touched"
    cluster.must(Answer, undone, "delete", "job", job.name, "--ignore-not-found")
    cluster.must(Answer, undone, "apply", "--filename", path)
    if cluster.dry:
        return
    state = finished(job, cluster)
    if state != "Complete":
        log = cluster.ask("logs", f"job/{job.name}", f"--tail={LOG_LINES}").stdout.splitlines()
        told = f"the migrations did not come to an end ({state}); nothing that serves was touched"
        raise Answer(told + below(job.name, log))


def finished(job: Workload, cluster: Cluster) -> str:
    """(!) Not `kubectl wait`, which waits for one of its ends only."""
    cluster.say(f"waiting for job/{job.name}")
    until = time.monotonic() + job.spec.get("activeDeadlineSeconds", 600) + SPARE_SECONDS
    while time.monotonic() < until:
        conditions = cluster.state("job", job.name).get("status", {}).get("conditions", [])
        for each in conditions:
            if each["status"] == "True" and each["type"] in ("Complete", "Failed"):
                return each["type"]
        time.sleep(POLL_SECONDS)
    return "no answer"


def roll(deployments: list[Workload], cluster: Cluster, path: Path) -> None:
    """All at once, each one replica at a time; one decision for all of them."""
    cluster.must(Answer, "the Deployments were refused", "apply", "--filename", path)
    for each in deployments:
        served(each.name, "does not become ready", cluster)


def served(name: str, otherwise: str, cluster: Cluster) -> None:
    """(!) No time of our own: how long a rollout takes depends on its replicas, and progressDeadlineSeconds ends a stuck one."""
    cluster.must(Answer, f"{name} {otherwise}", "rollout", "status", f"deployment/{name}")


def serving(cluster: Cluster, name: str) -> tuple[str, str]:
    """(revision, version of the image); empty when there is none yet."""
    found = cluster.state("deployment", name)
    if not found:
        return "", ""
    revision = found["metadata"].get("annotations", {}).get("deployment.kubernetes.io/revision", "")
    return revision, version(Workload(found).container["image"])


def back(error: BaseException, before: dict[str, tuple[str, str]], cluster: Cluster) -> None:
    old = {name: revision for name, (revision, _) in before.items() if revision}
    if not old:
        if isinstance(error, Answer):
            raise Answer(f"{error}; nothing ran before, and what was begun stays to be looked at") from None
        raise error

    def undo() -> None:
        for name, revision in old.items():
            words = ("rollout", "undo", f"deployment/{name}", f"--to-revision={revision}")
            cluster.must(Answer, f"{name} does not go back", *words)
        for name in old:
            served(name, "does not go back", cluster)

    go_back(error, undo, " and ".join(dict.fromkeys(each for _, each in before.values() if each)), cluster.say)
