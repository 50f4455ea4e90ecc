"""What deploy/kubernetes promises, read from what `kubectl kustomize` makes of it."""

import re
import shutil
from functools import cache
from pathlib import Path

import pytest
from serve.workers import MEMORY_PER_WORKER

from deploy.errors import Refused
from deploy.kubernetes import rules, schema
from deploy.kubernetes.objects import APP, Object, dig, of_kind, rendered, said, settings, workloads
from deploy.variables import SERVICES
from tests.config import manifests
from tests.config.manifests import FOLDERS, GONE, HERE, ROOT, changed
from tests.config.test_edge_container import entrypoint
from tests.config.test_ladder import LADDER

ALL = "tests/everything"
PRODUCTION = "overlays/production"
PAGE = (HERE / "README.md").read_text()
CONTAINER = "spec.template.spec.containers.0"


@pytest.fixture(autouse=True)
def _needs_kubectl():
    if manifests.lacking():
        pytest.skip(manifests.lacking())


@pytest.fixture(params=map(manifests.name, FOLDERS))
def objects(request: pytest.FixtureRequest) -> list[Object]:
    return manifests.built()[request.param]


@cache
def production() -> list[Object]:
    return manifests.built()[PRODUCTION]


@cache
def everything() -> list[Object]:
    return manifests.built()[ALL]


def test_every_combination_fits_the_schemas_of_the_oldest_and_the_newest_version(objects: list[Object]):
    seen = [each for each in objects if repr(each) not in FITS]

    assert schema.misfits(seen) == []
    FITS.update(map(repr, seen))


FITS: set[str] = set()  # most combinations have most objects in common


def test_every_combination_keeps_every_rule(objects: list[Object]):
    assert rules.broken(objects) == []


def test_a_combination_holds_no_secret(objects: list[Object]):
    assert of_kind(objects, "Secret") == []


def test_every_component_is_built_with_all_the_others_and_with_few():
    components = {each.parent.name for each in HERE.glob("components/*/kustomization.yaml")} - {"hardened"}
    combinations = {each.name for each in HERE.glob("tests/*")} - {"everything"}
    together = set(re.findall(r"components/([a-z-]+)", (HERE / ALL / "kustomization.yaml").read_text()))

    assert together == components
    assert {part for each in combinations for part in each.split("+")} == components


def test_a_combination_is_called_what_it_is_made_of():
    for folder in HERE.glob("tests/*+*"):
        made_of = re.findall(r"components/([a-z-]+)", (folder / "kustomization.yaml").read_text())

        assert folder.name.split("+") == made_of


def test_the_page_names_every_component_and_every_overlay():
    told = set(re.findall(r"^\| `([a-z-]+)` \|", PAGE, re.MULTILINE))

    assert told == {each.name for room in ("components", "overlays") for each in (HERE / room).iterdir()}


def test_an_overlay_is_short():
    for each in HERE.glob("overlays/*/kustomization.yaml"):
        assert len(each.read_text().splitlines()) <= 25, each


def test_the_four_applications_are_siblings():
    """A diff of two shows their names and ports and what they are, and nothing else."""
    texts = {(HERE / "base" / f"{name}.yaml").read_text().partition("\n")[2] for name in SERVICES}
    plain = {re.sub(rf"\b({'|'.join(sorted(SERVICES, key=len, reverse=True))})\b|800\d", "X", text) for text in texts}

    assert len(plain) == 1


def test_a_replica_is_killed_only_when_gunicorn_too_thinks_a_worker_dead():
    (dead,) = [seconds for seconds, rung in LADDER.items() if "a worker is thought dead" in rung]
    for each in workloads(everything()):
        if each.component == APP:
            probe = each.container["livenessProbe"]

            assert probe["periodSeconds"] * probe["failureThreshold"] == dead, each.name


def test_a_replica_that_cannot_reach_its_database_is_sent_nothing_and_lives():
    for each in workloads(everything()):
        if each.component == APP:
            asked = {
                kind: dig(each.container, f"{kind}Probe.httpGet.path") for kind in ("startup", "liveness", "readiness")
            }

            assert asked == {"startup": "/healthz", "liveness": "/healthz", "readiness": "/readyz"}, each.name


def test_the_namespace_refuses_pods_that_ask_for_more():
    for overlay in ("local", "staging", "production"):
        (space,) = of_kind(manifests.built()[f"overlays/{overlay}"], "Namespace")

        assert space["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
        everywhere = {each["metadata"].get("namespace") for each in manifests.built()[f"overlays/{overlay}"]}
        assert everywhere - {None} == {space["metadata"]["name"]}


def test_settings_that_change_replace_the_pods():
    """By their name, which holds a hash of them, the old ones stay what the old pods read."""
    named = {folder: settings_name(manifests.built()[folder]) for folder in (ALL, PRODUCTION)}

    assert named[ALL] != named[PRODUCTION]
    for folder, name in named.items():
        read = {dig(each.container, "envFrom", [{}])[0]["configMapRef"]["name"]
                for each in workloads(manifests.built()[folder]) if each.component in (APP, "edge")}  # fmt: skip

        assert read == {name}


def settings_name(objects: list[Object]) -> str:
    (name,) = [
        each["metadata"]["name"] for each in of_kind(objects, "ConfigMap") if "MAX_UPLOAD" in each.get("data", {})
    ]
    return name


def test_behind_headless_services_a_replica_outlives_what_dns_remembers():
    headless = manifests.built()["tests/headless+hpa"]
    dns_seconds = 30

    assert {dig(each, "spec.clusterIP") for each in of_kind(headless, "Service")} == {"None", None}
    assert {each.pre_stop > dns_seconds for each in workloads(headless) if each.component == APP} == {True}


def test_the_edge_is_led_to_by_its_first_name():
    public = settings(production())["SERVER_NAMES"].split()[0]
    (route,) = of_kind(production(), "HTTPRoute")

    assert route["spec"]["hostnames"] == [public] != ["SERVER_NAMES"]
    assert [each["name"] for each in route["spec"]["rules"][0]["backendRefs"]] == ["nginx"]


@pytest.mark.skipif(not shutil.which("envsubst"), reason="envsubst is absent: install gettext-base")
def test_the_edge_asks_for_every_service_by_its_whole_name(nginx: Path, tmp_path: Path):
    (edge,) = [each for each in workloads(production()) if each.name == "nginx"]
    own = {each["name"]: each.get("value", "") for each in edge.container["env"]}
    (namespace,) = of_kind(production(), "Namespace")
    domain = own["SERVICE_DOMAIN"].replace("$(NAMESPACE)", namespace["metadata"]["name"])
    ran = entrypoint(
        nginx, tmp_path, PONTE_RESOLVER="resolver 127.0.0.1;", **settings(production()), SERVICE_DOMAIN=domain
    )

    asked = re.findall(
        r"^    server (\S+) resolve ", (tmp_path / "conf.d" / "upstreams.conf").read_text(), re.MULTILINE
    )
    services = {each["metadata"]["name"]: each["spec"]["ports"][0]["port"] for each in of_kind(production(), "Service")}
    assert asked == [f"{name}.ponte.svc.cluster.local:{services[name]}" for name in SERVICES], ran.stderr


def test_the_rules_count_as_the_launcher_and_the_edge_do():
    process = (ROOT / "nginx" / "templates" / "process.conf.template").read_text()

    assert rules.WORKER_MEMORY == MEMORY_PER_WORKER
    assert re.findall(r"^worker_shutdown_timeout (\d+)s;", process, re.MULTILINE) == [str(rules.EDGE_SECONDS)]


# What is changed in an overlay that is right, and the sentence about it.
FLASK = "Deployment flask"
SETTINGS = "settings"
BROKEN = {
    "root": (FLASK, "spec.template.spec.securityContext.runAsNonRoot", GONE, "flask has to run as a user that is not root"),
    "uid 0": (FLASK, "spec.template.spec.securityContext.runAsUser", 0, "flask has to run as a user that is not root"),
    "no seccomp": (FLASK, "spec.template.spec.securityContext.seccompProfile", GONE, "seccomp profile RuntimeDefault"),
    "escalation": (FLASK, f"{CONTAINER}.securityContext.allowPrivilegeEscalation", True, "has to gain no privileges"),
    "a capability": (FLASK, f"{CONTAINER}.securityContext.capabilities.add", ["NET_ADMIN"], "drop every capability"),
    "writable": (FLASK, f"{CONTAINER}.securityContext.readOnlyRootFilesystem", False, "a read-only root file system"),
    "a token": (FLASK, "spec.template.spec.automountServiceAccountToken", True, "have no key to the cluster"),
    "the host's network": (FLASK, "spec.template.spec.hostNetwork", True, "share nothing with its machine"),
    "a folder of the host": (FLASK, "spec.template.spec.volumes.0", {"name": "secrets", "hostPath": {"path": "/"}},
                             "share nothing with its machine"),
    "less than asked": (FLASK, f"{CONTAINER}.resources.requests.memory", "128Mi", "granted the memory it asks for"),
    "a limit on CPU": (FLASK, f"{CONTAINER}.resources.limits.cpu", "1", "have no limit on it"),
    "latest": (FLASK, f"{CONTAINER}.image", "registry.example.org/ponte-app:latest", "name the version of its image"),
    "no version": (FLASK, f"{CONTAINER}.image", "localhost:5000/ponte-app", "name the version of its image"),
    "the last build": (FLASK, f"{CONTAINER}.image", "ponte-app:dev", "a release has a name"),
    "a second container": (FLASK, "spec.template.spec.initContainers", [{"name": "other"}], "have one container"),
    "no probe": (FLASK, f"{CONTAINER}.startupProbe", GONE, "have a startup, a liveness and a readiness probe"),
    "lives by the database": (FLASK, f"{CONTAINER}.livenessProbe.httpGet.path", "/readyz", "live without a database"),
    "stops at once": (FLASK, f"{CONTAINER}.lifecycle", GONE, "leave the routing before it stops"),
    "stops too late": (FLASK, f"{CONTAINER}.lifecycle.preStop.sleep.seconds", 20, "flask is killed 35 s after preStop (20 s)"),
    "the edge's grace": ("Deployment nginx", "spec.template.spec.terminationGracePeriodSeconds", 70, "nginx is killed 60 s"),
    "one less": (FLASK, "spec.strategy.rollingUpdate.maxUnavailable", 1, "keep all replicas while it is replaced"),
    "anywhere": (FLASK, "spec.template.spec.topologySpreadConstraints", [], "be spread over machines"),
    "scaled by two": (FLASK, "spec.replicas", 3, "Deployment flask has replicas and an autoscaler"),
    "scales nobody": ("HorizontalPodAutoscaler flask", "spec.scaleTargetRef.name", "shop", "scales Deployment shop, which"),
    "too many": ("HorizontalPodAutoscaler flask", "spec.maxReplicas", 20, "PostgreSQL takes 400: lower one of them"),
    "a typo": (SETTINGS, "data.SERVER_NAME", "x", "the setting SERVER_NAME is unknown; did you mean SERVER_NAMES?"),
    "an unknown name": (SETTINGS, "data.COLOUR", "x", "the setting COLOUR is unknown"),
    "a password": (SETTINGS, "data.DATABASE_URL", "postgresql://a:b@c/d", "the setting DATABASE_URL is a secret"),
    "replicas as elsewhere": (SETTINGS, "data.FLASK_REPLICAS", "4", "the setting FLASK_REPLICAS is read by nobody"),
    "a wrong value": (SETTINGS, "data.GRACEFUL_TIMEOUT", "soon", "GRACEFUL_TIMEOUT='soon'"),
    "a wrong server": (SETTINGS, "data.FLASK_SERVER", "unicorn", "FLASK_SERVER='unicorn' is unknown"),
    "a longer stop": (SETTINGS, "data.GRACEFUL_TIMEOUT", "50", "its server takes 50 s to finish"),
    "more workers": (SETTINGS, "data.WEB_CONCURRENCY", "40", "PostgreSQL takes 400"),
    "in circles": (SETTINGS, "data.TRUSTED_PROXIES", GONE, "HTTPRoute nginx would lead in circles"),
    "another name": ("HTTPRoute nginx", "spec.hostnames.0", "shop.test", "leads to shop.test, which SERVER_NAMES has not"),
    "no settings": (SETTINGS, "metadata.name", "settings", "reads the ConfigMap settings-"),
    "another label": ("Service flask", "spec/selector", {"app": "flask"}, "Service flask leads to no pod"),
    "another port": ("Service flask", "spec.ports.0.targetPort", "web", "leads to port web, which Deployment flask has not"),
    "a closed port": ("NetworkPolicy edge-to-applications", "spec.ingress.0.ports", [{"port": 8002}, {"port": 8003}, {"port": 8004}],
                      "no NetworkPolicy lets anybody in to port 8001 of Deployment flask"),
    "protects nobody": ("PodDisruptionBudget flask", "spec/selector/matchLabels", {"app.kubernetes.io/name": "shop"},
                        "protects shop, which is not there"),
}  # fmt: skip


@pytest.mark.parametrize("case", BROKEN)
def test_an_overlay_that_contradicts_the_base_is_told_so_in_a_sentence(case: str):
    of, path, value, sentence = BROKEN[case]
    if of == SETTINGS:
        of = f"ConfigMap {settings_name(production())}"

    found = rules.broken(changed(production(), of, path, value))

    assert any(sentence in each for each in found), found
    assert not any("\n" in each for each in found)


@pytest.mark.parametrize(
    ("path", "value", "sentence"),
    [
        ("spec.replica", 2, "Deployment flask, spec: "),
        (f"{CONTAINER}.livenesProbe", {}, "'livenesProbe' was unexpected"),
        ("spec.minReadySeconds", "soon", "Deployment flask, spec.minReadySeconds: 'soon' is not of type 'integer'"),
        ("kind", "Deploiment", "Kubernetes 1.30 knows no apps/v1 Deploiment"),
    ],
)
def test_a_field_that_is_none_is_found_without_a_cluster(path: str, value: object, sentence: str):
    found = schema.misfits(
        [each for each in changed(production(), FLASK, path, value) if each["metadata"]["name"] == "flask"], ("1.30",)
    )

    assert any(sentence in each for each in found), found


def test_a_patch_of_nothing_is_a_sentence(tmp_path: Path):
    (tmp_path / "kustomization.yaml").write_text("patches:\n  - patch: '[{op: replace}]'\n    target: {kind: Job}\n")

    with pytest.raises(Refused, match=rf"^{tmp_path} cannot be built: [^\n]+$"):
        rendered(tmp_path)


def test_what_kubectl_says_is_told_without_its_log():
    log = 'E1130 12:00:00.000001    7 memcache.go:265] "Unhandled Error" err="no"\n'

    assert said(log + "The connection was refused\n") == "The connection was refused"
    assert said('E1130 12:00:00.000001    7 run.go:72] "command failed" err=<\n\tone\n\ttwo\n >\n') == "one two"
    assert said("error: no such thing\n") == "no such thing"
    assert said('Error from server (Forbidden): pods "x" is forbidden\n') == 'pods "x" is forbidden'


def test_ci_brings_what_builds_the_manifests():
    assert "deploy/images/next kubectl" in (ROOT / ".ci" / "run").read_text()
