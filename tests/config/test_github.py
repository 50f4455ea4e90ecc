"""The files in .github are what GitHub takes, and call what is there."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from deploy.supply.locks import locks
from deploy.targets import TARGETS
from deploy.variables import VARIABLES
from tests.contract import ROOT

GITHUB = ROOT / ".github"
WORKFLOWS = sorted((GITHUB / "workflows").glob("*.yml"))
DEPENDABOT = GITHUB / "dependabot.yml"
FILES = [*WORKFLOWS, DEPENDABOT]
SCHEMAS = [
    *((path, schema) for path in WORKFLOWS for schema in ("vendor.github-workflows", "custom.github-workflows-require-timeout")),
    (DEPENDABOT, "vendor.dependabot"),
]  # fmt: skip


def steps(path: Path) -> list[dict[str, Any]]:
    return [step for job in read(path)["jobs"].values() for step in job["steps"]]


def read(path: Path) -> dict[str, Any]:
    return yaml.safe_load(path.read_text())


def calls(path: Path) -> list[list[str]]:
    """The words behind ./ponte and make."""
    found = [re.findall(r"^(?:\./ponte|make) (.+)$", step.get("run", ""), re.M) for step in steps(path)]
    return [each.split() for lines in found for each in lines]


def folders(ecosystem: str) -> set[str]:
    (update,) = (each for each in read(DEPENDABOT)["updates"] if each["package-ecosystem"] == ecosystem)
    return {folder.strip("/") for folder in update.get("directories", [update.get("directory", "")])}


@pytest.mark.parametrize(("path", "schema"), SCHEMAS, ids=lambda value: getattr(value, "name", value))
def test_a_file_is_of_the_shape_that_github_reads(path: Path, schema: str):
    from check_jsonschema import main  # (!) takes a second, in which no other test would have been found

    asked = CliRunner().invoke(main, ["--builtin-schema", schema, str(path)])

    assert asked.exit_code == 0, asked.output


def test_a_file_of_another_shape_is_caught(tmp_path: Path):
    wrong = tmp_path / "ci.yml"
    wrong.write_text(WORKFLOWS[0].read_text().replace("runs-on:", "runs-at:", 1))

    with pytest.raises(AssertionError):
        test_a_file_is_of_the_shape_that_github_reads(wrong, "vendor.github-workflows")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_no_registry_is_named(path: Path):
    assert not re.search(r"://|\b[\w-]+\.(com|dev|io|net|org)\b", path.read_text())


def test_ci_proves_what_the_checkout_proves_by_itself():
    called = {words[0] for words in calls(GITHUB / "workflows/ci.yml")}

    assert called >= {"check", "test", "lost-requests", "matrix", "sbom", "audit"}
    assert called <= set(TARGETS)


def test_ci_gives_targets_words_that_they_take():
    for target, *words in calls(GITHUB / "workflows/ci.yml"):
        takes = {*VARIABLES, *(word.name for word in TARGETS[target].words)}
        assert {word.partition("=")[0] for word in words if "=" in word} <= takes, target


def test_ci_tests_both_engines():
    assert read(GITHUB / "workflows/ci.yml")["jobs"]["test"]["strategy"]["matrix"]["engine"] == ["native", "compose"]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_may_read_unless_a_job_says_that_it_writes(path: Path):
    asked = read(path)["permissions"]

    assert asked == {"contents": "read"}


def test_only_images_are_written():
    allowed = [job.get("permissions", {}) for path in WORKFLOWS for job in read(path)["jobs"].values()]

    assert {name for each in allowed for name, value in each.items() if value == "write"} == {"packages"}


def test_a_release_builds_every_image_for_both_architectures_with_what_is_attested():
    (build,) = (
        step["run"] for step in steps(GITHUB / "workflows/release.yml") if "buildx build" in step.get("run", "")
    )

    assert set(re.search(r"for folder in (.+);", build)[1].split()) == {
        path.parent.name for path in ROOT.glob("*/Dockerfile")
    }
    assert "--platform linux/amd64,linux/arm64" in build
    assert {"--sbom=true", "--provenance=mode=max"} <= set(build.split())
    assert "push-by-digest=true" in build


def test_a_release_is_tagged_after_everything_was_pushed():
    lines = [step.get("run", "") for step in steps(GITHUB / "workflows/release.yml")]
    built, tagged = (
        next(n for n, text in enumerate(lines) if word in text) for word in ("buildx build", "imagetools create")
    )

    assert built < tagged
    assert "--tag" not in lines[built]


def test_updates_are_asked_for_in_every_folder_with_a_lock_and_with_a_dockerfile():
    assert folders("pip") == set(locks(ROOT))
    assert folders("docker") == {path.parent.name for path in ROOT.glob("*/Dockerfile")}
    assert folders("docker-compose") == folders("github-actions") == {""}
