"""The profile loadtest: on top of the stack when it is asked for, and as hardened as the rest."""

import json
import re
from collections.abc import Mapping
from typing import Any

import pytest

from deploy import edge
from tests.config.test_compose import ROOT, compose, lacking, rendered, seconds, services
from tests.config.test_compose_images import instructions, stage

MASTER, WORKER = "locust", "locust-worker"
DOCKERFILE = (ROOT / "loadtests" / "Dockerfile").read_text()
APPS = (ROOT / "apps" / "Dockerfile").read_text()


@pytest.fixture(scope="module", autouse=True)
def profile() -> Mapping[str, Any]:
    if lacking():
        pytest.skip(lacking())
    answer = compose(
        "--profile", "loadtest", "config", "--format", "json", LOCUST_USERS="7", LOCUST_RATE="9", SERVICE="flask"
    )
    assert not answer.returncode and not answer.stderr, answer.stderr
    return json.loads(answer.stdout)


@pytest.fixture(params=(MASTER, WORKER))
def locust(request: pytest.FixtureRequest, profile: Mapping[str, Any]) -> Mapping[str, Any]:
    return profile["services"][request.param]


def test_the_stack_is_the_same_without_it(profile: Mapping[str, Any]):
    assert set(profile["services"]) - set(services()) == {MASTER, WORKER}
    assert {name: each for name, each in profile["services"].items() if name in services()} == services()
    assert "loadtest" not in rendered()["volumes"]


def test_it_is_one_image_for_master_and_workers(profile: Mapping[str, Any]):
    master, worker = (profile["services"][name] for name in (MASTER, WORKER))

    assert master["build"] == worker["build"]
    assert master["build"]["dockerfile"] == "loadtests/Dockerfile"
    assert [each["source"] for each in master["build"]["secrets"]] == ["ca"]


def test_it_is_as_hardened_as_the_stack(locust: Mapping[str, Any]):
    limits = locust["deploy"]["resources"]["limits"]

    assert (locust["read_only"], locust["cap_drop"]) == (True, ["ALL"])
    assert locust["security_opt"] == ["no-new-privileges:true"]
    assert int(limits["memory"]) > 0 and int(limits["pids"]) > 0
    assert set(locust["logging"]["options"]) == {"max-size", "max-file"}
    assert list(locust["networks"]) == ["edge"]
    assert "ports" not in locust and "privileged" not in locust


def test_it_does_not_run_as_root():
    assert re.findall(r"^USER (\d+):\d+$", DOCKERFILE, re.M) == ["10003"]


def test_a_stop_leaves_time_for_the_report(locust: Mapping[str, Any]):
    assert locust["stop_signal"] == "SIGINT"
    assert seconds(locust["stop_grace_period"]) == 30
    assert "STOPSIGNAL SIGINT" in instructions(DOCKERFILE)


def test_a_worker_that_died_does_not_come_back_unseen(locust: Mapping[str, Any]):
    assert locust.get("restart", "no") == "no"


def test_the_master_is_where_the_edge_looks_for_it(profile: Mapping[str, Any]):
    words = profile["services"][MASTER]["command"]
    (address,) = re.findall(r"PONTE_LOCUST=\$\(whole (\S+?)\)", (edge.SOURCE / "entrypoint.sh").read_text())

    assert address == f"{MASTER}:8089"  # Locust's own port
    assert words[words.index("--web-base-path") + 1] == "/locust"
    assert "--web-port" not in words


def test_the_load_comes_through_the_edge(profile: Mapping[str, Any]):
    words = profile["services"][MASTER]["command"]
    port = services()["nginx"]["ports"][0]

    assert words[words.index("--host") + 1] == f"http://nginx:{port['target']}"
    assert "nginx" in services()["nginx"]["environment"]["SERVER_NAMES"].split()
    assert profile["services"][WORKER]["command"] == ["--worker", "--master-host", MASTER]


def test_the_number_of_workers_may_be_chosen(profile: Mapping[str, Any]):
    assert profile["services"][WORKER]["deploy"]["replicas"] == 2
    assert "replicas" not in profile["services"][MASTER]["deploy"]


def test_locusts_own_words_reach_it(profile: Mapping[str, Any]):
    master, worker = (profile["services"][name]["environment"] for name in (MASTER, WORKER))

    assert master["LOCUST_USERS"] == "7"
    assert [(each["SERVICE"], each["LOCUST_RATE"]) for each in (master, worker)] == [("flask", "9")] * 2


def test_the_report_lands_where_its_user_may_write(profile: Mapping[str, Any]):
    master = profile["services"][MASTER]
    (mount,) = master["volumes"]

    assert (mount["type"], mount["target"]) == ("volume", "/srv/reports")
    assert master["environment"]["LOCUST_HTML"].startswith("/srv/reports/")
    assert "install -d -o locust -g locust /srv/reports" in DOCKERFILE


def test_its_image_is_built_like_the_apps():
    ours, theirs = (stage(text, "dependencies") for text in (DOCKERFILE, APPS))

    assert [line.replace("loadtests/", "apps/") for line in ours] == theirs
    assert {line for line in instructions(DOCKERFILE) if line.startswith("FROM")} == {
        line
        for line in instructions(APPS)
        if line.startswith("FROM") and not line.endswith((" AS servers", " AS static"))
    }
    assert "!loadtests" in (ROOT / ".dockerignore").read_text().split()
