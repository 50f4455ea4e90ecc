"""A release to Kubernetes, against a cluster that is played: kubectl builds for real, and answers for the cluster as it is told."""

import copy
import json
import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
import yaml

from deploy.console import Console
from deploy.errors import Answer, Failure, Refused
from deploy.kubernetes import cluster
from deploy.kubernetes.release import Release, parted, prepared, released, tag, tagged, version
from tests.config import manifests
from tests.config.manifests import HERE, ROOT

PRODUCTION = HERE / "overlays" / "production"
KEYS = "database-url secret-key "
COMPLETE = json.dumps({"status": {"conditions": [{"type": "Complete", "status": "True"}]}})
FAILED = json.dumps({"status": {"conditions": [{"type": "Failed", "status": "True"}]}})
IMAGE = "registry.example.org/ponte-app:2026-11-29"
RUNS = json.dumps(
    {
        "kind": "Deployment",
        "metadata": {"name": "any", "annotations": {"deployment.kubernetes.io/revision": "7"}},
        "spec": {"template": {"spec": {"containers": [{"image": IMAGE}]}}},
    }
)
# words of a call -> (exit code, stdout, stderr); the first that fits, "once" for one call only
USUAL = {
    "config current-context": (0, "kind-ponte", ""),
    "get secret ponte": (0, KEYS, ""),
    "get deployment": (0, RUNS, ""),
    "get job": (0, COMPLETE, ""),
}
REFUSED = (1, "", "The connection to the server 127.0.0.1:1 was refused - did you specify the right host or port?")


@pytest.fixture(autouse=True)
def _needs_kubectl():
    if manifests.lacking():
        pytest.skip(manifests.lacking())


@cache
def production() -> Release:
    return prepared(PRODUCTION)


PROGRAM = r"""#!/bin/bash
if [ "$1" = kustomize ]; then exec {real} "$@"; fi
echo "$*" >>{folder}/log
for answer in {folder}/answers/*; do
  {{ read -r part; read -r code; read -r out; read -r err; }} <"$answer"
  if [[ "$*" = *"${{part#once }}"* ]]; then
    if [[ $part = once* ]]; then rm "$answer"; fi
    printf '%b' "$out"; printf '%b' "$err" >&2; exit "$code"
  fi
done
"""


class Played:
    """A kubectl that writes down what it is asked."""

    def __init__(self, folder: Path):
        self.folder, self.log = folder, folder / "log"
        self.log.touch()
        self.says()
        program = folder / "kubectl"
        program.write_text(PROGRAM.format(real=shutil.which("kubectl"), folder=folder))
        program.chmod(0o755)

    def says(self, **answers: tuple[int, str, str]) -> None:
        said = {name.replace("_", " "): each for name, each in answers.items()}
        (self.folder / "answers").mkdir(exist_ok=True)
        for number, (part, (code, out, err)) in enumerate(
            (said | {k: v for k, v in USUAL.items() if k not in said}).items()
        ):
            (self.folder / "answers" / f"{number:02}").write_text(f"{part}\n{code}\n{out}\n{err}\n")

    @property
    def asked(self) -> list[str]:
        return [each.removeprefix("--namespace ponte ") for each in self.log.read_text().splitlines()]

    @property
    def changes(self) -> list[str]:
        """What changes a cluster, without folders."""
        spoken = [
            each for each in self.asked if each.split()[0] in ("apply", "delete", "rollout") and "--dry-run" not in each
        ]
        return [each.replace(f"{self.folder}/", "") for each in spoken if not each.startswith("rollout status")]


@pytest.fixture
def kubectl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Played:
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setattr("deploy.kubernetes.release.POLL_SECONDS", 0)
    return Played(tmp_path)


def conduct(kubectl: Played, release: Release | None = None, dry: bool = False) -> None:
    released(release or production(), cluster.Cluster("ponte", dry, Console()), kubectl.folder)


BEGUN = [
    "apply --filename 1-beside.yaml",
    "delete job migrate-2026-11-30 --ignore-not-found",
    "apply --filename 2-migration.yaml",
]
WHOLE = [*BEGUN, "apply --filename 3-deployments.yaml"]
NAMES = ("django", "django-asgi", "fastapi", "flask", "nginx")
UNDONE = [f"rollout undo deployment/{name} --to-revision=7" for name in NAMES]


def test_the_migrations_end_before_an_application_is_replaced(kubectl: Played):
    conduct(kubectl)

    assert kubectl.changes == WHOLE
    order = [next(at for at, each in enumerate(kubectl.asked) if each.startswith(part))
             for part in ("get secret", "apply --dry-run=server", "get deployment", "apply --filename", "get job",
                          "rollout status")]  # fmt: skip
    assert order == sorted(order)
    waited = {each.split()[2] for each in kubectl.asked if each.startswith("rollout status")}
    assert waited == {f"deployment/{name}" for name in NAMES}


def test_the_job_is_named_after_the_release_and_each_object_is_applied_once(kubectl: Played):
    conduct(kubectl)

    files = [list(yaml.safe_load_all((kubectl.folder / name).read_text())) for name in production().files]
    assert [each["metadata"]["name"] for each in files[1]] == ["migrate-2026-11-30"]
    assert {each["kind"] for each in files[2]} == {"Deployment"}
    applied = [each["kind"] + each["metadata"]["name"] for file in files for each in file]
    assert len(applied) == len(set(applied)) == len(manifests.built()["overlays/production"])


def test_a_dry_run_prints_every_command_and_asks_nobody(kubectl: Played, capsys: pytest.CaptureFixture[str]):
    conduct(kubectl, dry=True)

    printed = [each.removeprefix("$ kubectl --namespace ponte ") for each in capsys.readouterr().err.splitlines()]
    assert kubectl.asked == []
    assert [each.replace(f"{kubectl.folder}/", "") for each in printed if each.split()[0] in ("apply", "delete")][
        2:
    ] == WHOLE


def test_each_command_that_changes_something_is_printed_before_it_runs(
    kubectl: Played, capsys: pytest.CaptureFixture[str]
):
    conduct(kubectl)

    printed = [each[2:] for each in capsys.readouterr().err.splitlines() if each.startswith("$ ")]
    ran = [f"kubectl --namespace ponte {each}" for each in kubectl.asked if not each.startswith(("get ", "config "))]
    assert printed == ran


@pytest.mark.parametrize("name", ["flask", "nginx"])
def test_one_service_that_does_not_become_ready_takes_all_of_them_back(kubectl: Played, name: str):
    kubectl.says(
        **{
            f"once rollout status deployment/{name}": (
                1,
                "",
                "error: deployment exceeded its progress deadline",
            )
        }
    )

    with pytest.raises(
        Answer,
        match=rf"^{name} does not become ready: .* its progress deadline; rolled back, release 2026-11-29 serves$",
    ):
        conduct(kubectl)

    assert kubectl.changes == WHOLE + UNDONE


def test_what_cannot_be_taken_back_is_said(kubectl: Played):
    kubectl.says(rollout_status=(1, "", "error: deadline"), rollout_undo=(1, "", "error: no revision"))

    with pytest.raises(Answer, match=r"^django does not become ready: deadline; going back failed: .*: no revision"):
        conduct(kubectl)


def test_a_first_release_that_fails_is_left_to_be_looked_at(kubectl: Played):
    kubectl.says(get_deployment=(0, "", ""), rollout_status=(1, "", "error: deadline"))

    with pytest.raises(Answer, match=r"nothing ran before, and what was begun stays to be looked at$"):
        conduct(kubectl)

    assert kubectl.changes == WHOLE


def test_migrations_that_fail_leave_what_serves_and_show_their_log(kubectl: Played):
    kubectl.says(get_job=(0, FAILED, ""), logs_job=(0, r"no such table\nand more\n", ""))

    with pytest.raises(Answer) as failed:
        conduct(kubectl)

    assert str(failed.value).splitlines() == [
        "the migrations did not come to an end (Failed); nothing that serves was touched",
        "  migrate-2026-11-30 | no such table",
        "  migrate-2026-11-30 | and more",
    ]
    assert kubectl.changes == BEGUN


@pytest.mark.parametrize(
    ("call", "answer", "sentence"),
    [
        ("get secret", REFUSED, "no cluster answers: The connection to the server 127.0.0.1:1 was refused"),
        ("get secret", (1, "", 'Error from server (NotFound): secrets "ponte" not found'), "lacks database-url, secret-key; "),
        ("get secret", (0, "database-url ", ""), "the Secret 'ponte' in the namespace 'ponte' is not there or lacks secret-key; "),
        ("apply --dry-run=server", (1, "", "Error from server (Forbidden): quota exceeded"),
         "the cluster would refuse 1-beside.yaml: quota exceeded"),
        ("get deployment", REFUSED, "the cluster does not answer: The connection"),
    ],
)  # fmt: skip
def test_what_is_missing_is_one_sentence_and_nothing_is_changed(
    kubectl: Played, call: str, answer: tuple[int, str, str], sentence: str
):
    kubectl.says(**{call: answer})

    with pytest.raises(Failure) as refused:
        conduct(kubectl)

    assert sentence in str(refused.value)
    assert "\n" not in str(refused.value)
    assert refused.value.code == (2 if "dry-run" in call else 3)
    assert kubectl.changes == []


def test_a_release_may_have_another_name_than_the_overlays():
    named = copy.deepcopy(manifests.built()["overlays/production"])
    tag(named, "v7.1_B")

    release = parted(PRODUCTION, named)

    assert release.migration.name == "migrate-v7-1-b"
    assert {each.container["image"] for each in release.deployments} == {
        f"registry.example.org/ponte-{name}:v7.1_B" for name in ("app", "nginx")
    }


@pytest.mark.parametrize("before", ["", ":2026", "@sha256:0123", ":2026@sha256:0123"])
@pytest.mark.parametrize("repository", ["ponte-app", "localhost:5000/shop/apps"])
def test_another_name_takes_the_place_of_a_tag_and_of_a_digest(repository: str, before: str):
    assert tagged(repository + before, "v1") == f"{repository}:v1"


@pytest.mark.parametrize(
    ("image", "name"),
    [
        ("localhost:5000/ponte-app:2026.11", "2026-11"),
        ("ponte-app:V1", "v1"),
        ("ponte-app:v1@sha256:0123456789abcdef", "0123456789ab"),
    ],
)
def test_a_release_is_called_by_its_tag_or_its_digest(image: str, name: str):
    assert version(image) == name


def test_an_overlay_with_another_job_is_refused():
    with pytest.raises(Refused, match="holds Job locust and Job locust-worker, which no release can change"):
        parted(PRODUCTION, manifests.built()["tests/locust+network-policies"])


def test_an_overlay_that_breaks_a_rule_reaches_no_cluster(tmp_path: Path, kubectl: Played):
    overlay = tmp_path / "mine"
    overlay.mkdir()
    resources = os.path.relpath(PRODUCTION, overlay)
    (overlay / "kustomization.yaml").write_text(
        f"resources: [{resources}]\npatches:\n"
        "  - target: {kind: Deployment, name: flask}\n"
        '    patch: \'[{"op": "replace", "path": "/spec/template/spec/terminationGracePeriodSeconds", "value": 20}]\'\n'
    )

    ran = command(str(overlay), kubectl=kubectl)

    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr == (
        f"ponte: {overlay}: Deployment flask is killed 10 s after preStop (10 s), and its server takes 35 s to finish: "
        "raise terminationGracePeriodSeconds\n"
    )
    assert kubectl.asked == []


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (
            ("nowhere",),
            2,
            "overlay 'nowhere' has no kustomization.yaml; choose from loadtest, local, production, staging",
        ),
        (("production", "--release", "a b"), 2, "--release 'a b' is not a release"),
        (("loadtest",), 2, "holds no release"),
        ((), 2, "Missing argument 'OVERLAY'"),
        (("local", "--dry"), 2, "No such option '--dry'"),
    ],
)
def test_wrong_words_are_one_sentence(kubectl: Played, words: tuple[str, ...], code: int, sentence: str):
    ran = command(*words, kubectl=kubectl)

    assert (ran.returncode, ran.stderr.count("\n")) == (code, 1), ran.stderr
    assert sentence in ran.stderr
    assert kubectl.asked == []


def test_without_kubectl_it_is_said_where_to_get_it(tmp_path: Path):
    ran = subprocess.run(
        [sys.executable, "-m", "deploy.kubernetes", "local"],
        cwd=ROOT, env=os.environ | {"PATH": str(tmp_path)}, capture_output=True, text=True,
    )  # fmt: skip

    assert ran.returncode == 3
    assert ran.stderr == "ponte: kubectl is not installed; on Debian: sudo deploy/images/next kubectl\n"


def command(*words: str, kubectl: Played) -> subprocess.CompletedProcess[str]:
    environ = os.environ | {"PONTE_RUN": str(kubectl.folder / "run")}
    return subprocess.run(
        [sys.executable, "-m", "deploy.kubernetes", *words], cwd=ROOT, env=environ, capture_output=True, text=True
    )
