"""What a user may say to an experiment, and what is made of it."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from loadtests.errors import Stop
from loadtests.experiments import environment, placement, probe, words
from loadtests.experiments.generator import Load, Step, trouble
from loadtests.experiments.scaling import Arrangement, arrangement
from tests.contract import ROOT

EXPERIMENTS = ("load", "scaling", "slow-io", "websockets", "lost-requests")


def test_words_become_values():
    found = words.parse(
        ["SERVICE=flask", "RATE=0.5", "TIME=1m30s", "PROCESSES=2", "QUICK=1", "HOST=http://a.example/x/"]
    )

    assert (found.service, found.rate, found.time, found.processes, found.quick) == ("flask", 0.5, 90.0, 2, True)
    assert found.host == "http://a.example/x/"


@pytest.mark.parametrize(
    "word",
    ["SERVICE=nginx", "RATE=0", "RATE=-1", "RATE=many", "TIME=10", "TIME=0s", "USERS=0", "PROCESSES=1.5", "QUICK=yes",
     "HOST=a.example", "HOST=ftp://a", "COLOUR=red", "CPU_QUOTA=0", "MIX=tea", "N=0"],
)  # fmt: skip
def test_a_wrong_word_is_refused_with_2_and_quoted(word: str):
    with pytest.raises(Stop, match=word.partition("=")[0]) as refused:
        words.parse([word])
    assert refused.value.code == 2


def test_quick_and_full_exclude_each_other():
    with pytest.raises(Stop, match="exclude each other"):
        words.parse(["QUICK=1", "FULL=1"])


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_every_experiment_has_its_stages_and_quick_ones_take_less(experiment: str):
    usual, quick = (words.config(experiment, words.parse(given)) for given in ([], ["QUICK=1"]))

    assert usual.keys() == quick.keys()
    assert usual != quick


@pytest.mark.parametrize("experiment", ["load", "scaling"])
@pytest.mark.parametrize("size", ["", "QUICK=1", "FULL=1"])
@pytest.mark.parametrize("asked", ["cpu", "/cpu?ms=20"])
def test_what_is_asked_for_and_how_often_can_be_said_in_every_size(experiment: str, size: str, asked: str):
    plan = words.config(experiment, words.parse([f"MIX={asked}", "N=2", *filter(None, [size])]))

    assert (plan["repetitions"], plan["mix"], plan.get("mixes", [asked])) == (2, asked, [asked])


def test_an_experiment_without_a_mix_gets_none():
    plan = words.config("slow-io", words.parse(["MIX=cpu", "N=2"]))

    assert ("mix" in plan, plan["repetitions"]) == (False, 2)


def test_rates_are_shared_out_over_processes():
    argv = Load("http://a", "flask", steps=[Step("a", 10, 100)], processes=4).argv(Path("x.npz"))

    assert argv[argv.index("--stages") + 1] == "10@25.000000"
    assert argv[argv.index("-u") + 1] == argv[argv.index("--processes") + 1] == "4"


def test_the_sentence_of_a_generator_that_failed_is_found():
    output = "[2026-11-21 14:00:00,123] host/INFO/locust.main: Starting\nlocust: --rate 0 is no rate; write arrivals\n"

    assert trouble(output) == "the load generator failed: --rate 0 is no rate; write arrivals"


@pytest.mark.parametrize(
    ("cpus", "processes", "generator", "stack", "doubt"),
    [
        ({0, 1}, 1, {1}, {0}, ""),
        (set(range(8)), 2, {6, 7}, set(range(6)), ""),
        (set(range(4)), 4, {2, 3}, {0, 1}, "4 generator processes share 2 CPUs"),
        ({0}, 1, {0}, {0}, placement.ALONE),
    ],
)
def test_the_generator_has_cpus_of_its_own(cpus: set, processes: int, generator: set, stack: set, doubt: str):
    found = placement.choose(processes, True, cpus)

    assert (set(found.generator), set(found.stack), found.doubt) == (generator, stack, doubt)


def test_a_stack_elsewhere_is_not_placed_and_that_is_said():
    assert "elsewhere" in placement.choose(1, False, {0, 1}).sentence


def test_arrangements_are_workers_times_replicas():
    assert arrangement("4x2") == Arrangement(4, 2)
    assert arrangement("4x2").total == 8


@pytest.mark.parametrize("url", ["http://127.0.0.1:9", "https://127.0.0.1:9"])
def test_a_host_that_is_down_is_said_before_anything_begins(url: str):
    with pytest.raises(Stop, match=f"{url} does not answer") as refused:
        probe.answers(url)
    assert refused.value.code == 3


def test_the_host_is_described_without_a_stack():
    found = environment.describe("alone", "http://a", None)

    assert found["host"]["cores"] >= 1
    assert found["stack"] == {"url": "http://a"}


def test_versions_are_those_of_what_runs():
    replicas = [{"service": "flask", "server": "gunicorn"}, {"service": "fastapi", "server": "uvicorn-a2wsgi"},
                {"service": "nginx", "server": "nginx 1.31.3"}, {"service": "postgres", "server": "PostgreSQL 18"}]  # fmt: skip
    found = environment.versions(replicas)

    assert set(found) == {"django", "fastapi", "flask", "gunicorn", "nginx", "postgres", "psycopg", "uvicorn"}
    assert (found["nginx"], found["postgres"]) == ("1.31.3", "18")
    assert all(re.fullmatch(r"\d+\.[\d.]+(post\d+)?", found[name]) for name in set(found) - {"postgres"})


def test_containers_are_of_the_engine_that_the_stack_wrote_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(environment, "answer", lambda url, name: {})
    (tmp_path / "state.json").write_text('{"engine": "swarm", "project": "ponte"}')
    row = {"service": "flask", "id": "ab12", "server": "gunicorn", "workers": 2}

    assert environment.running([row], "", str(tmp_path))["engine"] == "swarm"
    assert environment.running([row], "", str(tmp_path / "none"))["engine"] == "compose"
    assert environment.running([row | {"id": "4711"}], "", str(tmp_path))["engine"] == "native"


@pytest.mark.parametrize("module", ["__main__", "experiments.throughput", "experiments.scaling", "experiments.slow_io",
                                    "experiments.websockets", "experiments.lost_requests", "compare", "gate"])  # fmt: skip
def test_what_conducts_a_run_stays_free_of_the_generators_gevent(module: str):
    """Locust patches threads and subprocesses of whoever imports it."""
    code = f"import sys, loadtests.{module}; print([name for name in ('gevent', 'locust') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)

    assert done.stdout == "[]\n", done.stderr
