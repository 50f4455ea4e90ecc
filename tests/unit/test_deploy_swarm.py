"""What the Swarm engine makes of what a Swarm says, without one."""

from dataclasses import replace
from typing import Any

import pytest
from serve import probe

from deploy import doctor
from deploy.console import Console
from deploy.errors import Refused
from deploy.settings import load
from deploy.swarm import input, secrets
from deploy.swarm.cluster import Cluster, Service, Task, made_of
from deploy.swarm.stack import Stack

SPEC = made_of({"ContainerSpec": {"Image": "ponte-flask:new"}})
FLASK = Service("s1", "flask", "ponte-flask:new", 2, SPEC, update="")
TASK = Task("t1", "flask", "n1", "running", True, 2.0, "c" * 64, "", 0, SPEC)


class Told(Cluster):
    """A cluster that answers `docker` from a table: first words -> what is printed."""

    def __init__(self, answers: dict[str, str] | None = None, **given: str):
        super().__init__(load(given, {}), Console())
        self.answers, self.asked = answers or {}, []

    def ask(self, *argv: str, **options: Any) -> str:
        self.asked.append(" ".join(argv))
        return next((said for begin, said in self.answers.items() if self.asked[-1].startswith(begin)), "")

    def run(self, *argv: str, text: str = "") -> str:
        return self.ask(*argv)


@pytest.fixture
def stack() -> Stack:
    return Stack(Told())


def test_a_service_is_settled_when_all_its_tasks_run_what_it_says(stack: Stack):
    tasks = [TASK, replace(TASK, id="t2")]

    assert stack.settled(FLASK, "ponte-flask:new", tasks)
    assert not stack.settled(FLASK, "ponte-flask:new", tasks[:1])
    assert not stack.settled(FLASK, "ponte-flask:new", [TASK, replace(TASK, state="starting")])
    assert not stack.settled(FLASK, "ponte-flask:new", [TASK, replace(TASK, spec=made_of({}))])
    assert not stack.settled(replace(FLASK, update="updating"), "ponte-flask:new", tasks)


def test_what_ended_before_the_change_says_nothing_about_it(stack: Stack):
    stack.known = {"t0"}
    before = replace(TASK, id="t0", wanted=False, state="failed", made=1.0)

    assert stack.settled(replace(FLASK, replicas=1), None, [TASK, before])


@pytest.mark.parametrize("update", ["rollback_completed", "rollback_paused", "paused"])
def test_a_release_that_the_swarm_took_back_is_told_with_what_failed(stack: Stack, update: str):
    failed = replace(TASK, wanted=False, state="failed", code=3)

    with pytest.raises(Refused, match=r"^flask cccccccccccc ended with code 3; the Swarm took it back"):
        stack.settled(replace(FLASK, update=update), "ponte-flask:new", [failed])


def test_a_first_start_that_fails_is_not_waited_for(stack: Stack):
    with pytest.raises(Refused, match="ended with code 1"):
        stack.settled(FLASK, None, [replace(TASK, wanted=False, state="failed", code=1)])


def test_a_node_without_the_image_is_told_with_the_mend(stack: Stack):
    refused = replace(TASK, state="rejected", wanted=False, container="", error="No such image: ponte-flask:new")

    with pytest.raises(Refused, match=r"^flask: a node has no image of it; name a registry") as told:
        stack.settled(FLASK, None, [refused])

    assert told.value.code == 3


@pytest.mark.parametrize(
    ("state", "sentence"),
    [
        ("inactive false", "this machine is in no Swarm; docker swarm init"),
        ("locked false", "docker swarm unlock"),
        ("active false", "this node is a worker; call ./ponte on a manager"),
    ],
)
def test_who_is_no_manager_is_told_what_to_do(state: str, sentence: str):
    with pytest.raises(Refused, match=sentence) as told:
        input.refuse_no_manager(Told({"docker info": state}))

    assert told.value.code == 3


def test_the_only_node_is_labelled_and_of_several_none_is_chosen():
    alone, several = Told({"docker node ls": "n1"}), Told({"docker node ls": "n1 n2"})
    for each in (alone, several):
        each.answers["docker inspect --type node"] = str([{"ID": name, "Spec": {}} for name in each.answers["docker node ls"].split()]).replace("'", '"')  # fmt: skip
    input.place_database(alone)

    assert alone.asked[-1] == "docker node update --label-add ponte.postgres=true n1"
    with pytest.raises(
        Refused, match="no node is labelled for PostgreSQL and its data; docker node update --label-add"
    ):
        input.place_database(several)
    assert not [line for line in several.asked if "update" in line]


def told(monkeypatch: pytest.MonkeyPatch, answers: dict[str, str], **given: str) -> list[str]:
    monkeypatch.setattr("deploy.swarm.checks.Cluster", lambda settings, say: Told(answers, **given))
    return [str(each) for each in doctor.told(doctor.named, load({"ENGINE": "swarm", **given}, {}), Console())]


def test_the_doctor_says_what_a_swarm_needs(monkeypatch: pytest.MonkeyPatch):
    two = {"docker info": "active true", "docker node ls": "n1 n2"}
    two["docker inspect --type node"] = '[{"ID": "n1", "Spec": {}}, {"ID": "n2", "Spec": {}}]'

    assert told(monkeypatch, two) == [
        "ok    Swarm: 2 nodes",
        "note  images for all nodes; each builds none: REGISTRY= names where they get them",
        "bad   a node for PostgreSQL; docker node update --label-add ponte.postgres=true NODE",
    ]
    assert told(monkeypatch, {"docker info": "inactive false"}) == [
        "bad   this machine is in no Swarm; docker swarm init makes it the first node of one"
    ]


@pytest.mark.parametrize(("name", "value"), [("DEV", "1"), ("BIND_ADDRESS", "127.0.0.1")])
def test_what_a_swarm_cannot_keep_is_refused(name: str, value: str):
    with pytest.raises(Refused, match=name):
        input.refuse_impossible(Told(**{name: value}).settings)


def test_data_without_their_password_are_not_given_another(monkeypatch: pytest.MonkeyPatch):
    cluster = Told()
    monkeypatch.setattr(cluster, "succeeds", lambda *argv: True)

    with pytest.raises(
        Refused, match=r"the password of the data in the volume \S+-swarm_database is not in this Swarm"
    ):
        secrets.ours(cluster, set())
    assert not [line for line in cluster.asked if "secret" in line]


def test_another_value_is_another_secret(monkeypatch: pytest.MonkeyPatch):
    put: list[str] = []
    monkeypatch.setattr(secrets, "put", lambda cluster, name, value: put.append(name))
    names = [secrets.by_content(Told(), set(), "key", value) for value in (b"one", b"two", b"one")]

    assert names[0] == names[2] != names[1]
    assert secrets.by_content(Told(), set(names), "key", b"one") == names[0]
    assert put == names


def test_a_replica_is_asked_for_readiness_until_it_has_been_ready_once(monkeypatch: pytest.MonkeyPatch, tmp_path):
    ready, asked = {"/readyz": "503", "/healthz": "200"}, []
    monkeypatch.setattr(probe, "WAS_READY", str(tmp_path / "was-ready"))
    monkeypatch.setattr(probe, "status", lambda port, path: asked.append(path) or ready[path])

    with pytest.raises(SystemExit):
        probe.main(1, probe.READY_FIRST)
    ready["/readyz"] = "200"
    probe.main(1, probe.READY_FIRST)
    ready["/readyz"] = "503"
    probe.main(1, probe.READY_FIRST)

    assert asked == ["/readyz", "/readyz", "/healthz"]
