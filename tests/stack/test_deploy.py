"""A release under load loses no request, and one that does not serve leaves the old one serving."""

import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import md5
from pathlib import Path

import httpx
import pytest

from tests import engine
from tests.apps import App
from tests.contract import ROOT, SERVICES
from tests.engine import UP_SECONDS, Stack
from tests.oracle import watched
from tests.waiting import until

pytestmark = [pytest.mark.own_stack, pytest.mark.timeout(240)]
LONG = pytest.mark.timeout(480)  # eight releases: in containers, on two busy cores, longer than all else here
ONE_REPLICA = {"DJANGO_REPLICAS": "1", "DJANGO_ASGI_REPLICAS": "1"}


@dataclass
class Shop:
    """A stack whose checkout belongs to the test."""

    stack: Stack
    http: httpx.Client

    def app(self, name: str) -> App:
        return App(SERVICES[name], self.http, f"{self.stack.url}/{name}")

    def edit(self, path: str, old: str = "", new: str = "") -> None:
        """Replaces `old`, or appends when there is none."""
        file = self.stack.root / "apps" / path
        text = file.read_text() if file.exists() else ""
        assert old in text
        file.write_text(text.replace(old, new, 1) if old else text + new)

    def heal(self) -> None:
        shutil.rmtree(self.stack.root / "apps")
        shutil.copytree(ROOT / "apps", self.stack.root / "apps", ignore=shutil.ignore_patterns("__pycache__"))

    def ids(self, *services: str) -> dict[str, set[str]]:
        rows = self.stack.ps()
        return {name: {row["id"] for row in rows if row["service"] == name} for name in services or SERVICES}

    def release(self, service: str) -> str:
        """The word every one of its replicas answers with."""
        said = {self.app(service).get("/").json()["release"] for _ in range(12)}
        assert len(said) == 1, said
        return said.pop()

    def whole(self) -> bool:
        counts = {name: 1 if f"{engine_name(name)}_REPLICAS" in ONE_REPLICA else 2 for name in SERVICES}
        rows = self.stack.ps()
        return counts == {name: sum(row["ready"] for row in rows if row["service"] == name) for name in SERVICES}


def engine_name(service: str) -> str:
    return service.upper().replace("-", "_")


@pytest.fixture(scope="module")
def standing(stack: Stack, http: httpx.Client) -> Iterator[Shop]:
    if not stack.ours:
        pytest.skip("would start a second stack beside the one at PONTE_URL")
    second = engine.elsewhere(stack, **ONE_REPLICA)
    try:
        engine.check_out(second)
        answer = second.ponte("up", seconds=UP_SECONDS)
        assert answer.returncode == 0, answer.stderr
        yield Shop(second, http)
    finally:
        engine.remove(second)


@pytest.fixture
def shop(standing: Shop) -> Iterator[Shop]:
    """Whatever a test released, the next one finds the tree it began with."""
    yield standing
    standing.heal()
    answer = standing.stack.ponte("deploy", "RELEASE=dev")
    assert answer.returncode == 0, answer.stderr
    assert standing.whole()


def said(answer: subprocess.CompletedProcess[str]) -> str:
    """The one sentence a command ended with; what follows are the last words of a log."""
    found = re.findall(r"^ponte: .*$", answer.stderr, re.MULTILINE)
    assert len(found) == 1 and "Traceback (" not in answer.stderr, answer.stderr
    return found[0]


def test_there_is_nothing_to_return_to_at_first(standing: Shop):
    before = standing.ids()
    answer = standing.stack.ponte("rollback")

    assert answer.returncode == 3
    assert "nothing to return to" in said(answer)
    assert standing.ids() == before


def test_the_tree_that_runs_is_not_released_again(standing: Shop):
    before = standing.ids()
    answer = standing.stack.ponte("deploy")

    assert answer.returncode == 0
    assert "runs already; nothing was changed" in answer.stderr
    assert standing.ids() == before


def test_a_release_at_once_and_its_rollback_one_by_one_lose_no_request(shop: Shop, tmp_path: Path):
    before = shop.ids()
    shop.edit("flask/app.py", new="\n# another tree\n")
    with watched(shop.stack, tmp_path, "flask") as seen:
        answer = shop.stack.ponte("deploy", "SERVICE=flask", "RELEASE=v2", "STRATEGY=bluegreen")
        assert answer.returncode == 0, answer.stderr
        released, word = shop.ids(), shop.release("flask")
        answer = shop.stack.ponte("rollback", "SERVICE=flask")
        assert answer.returncode == 0, answer.stderr
        returned, old_word = shop.ids(), shop.release("flask")

    assert not seen.wrong
    assert seen.verdict.requests > 100
    assert (word, old_word) == ("v2", "dev")
    assert not released["flask"] & before["flask"] and len(released["flask"]) == len(returned["flask"]) == 2
    assert {**released, "flask": None} == {**before, "flask": None}, "other services are left alone"


def test_a_release_that_does_not_import_changes_nothing(shop: Shop, tmp_path: Path):
    before = shop.ids()
    shop.edit("flask/app.py", new="\nraise ImportError('no module named nowhere')\n")
    with watched(shop.stack, tmp_path, "flask") as seen:
        answer = shop.stack.ponte("deploy")

    assert answer.returncode == 1
    assert re.search(r"flask\S* .*; rolled back, release \w+ serves", said(answer))
    assert "ImportError: no module named nowhere" in answer.stderr
    assert shop.ids() == before
    assert not seen.wrong


@pytest.mark.full
@LONG
@pytest.mark.parametrize("strategy", ["rolling", "bluegreen"])
def test_all_services_are_released_and_rolled_back_under_load(shop: Shop, strategy: str, tmp_path: Path):
    shop.edit("core/replica.py", new="\n# another tree\n")
    with watched(shop.stack, tmp_path, *SERVICES) as seen:
        answer = shop.stack.ponte("deploy", f"STRATEGY={strategy}", "RELEASE=v3")
        assert answer.returncode == 0, answer.stderr
        assert {shop.release(name) for name in SERVICES} == {"v3"}
        assert shop.whole()
        answer = shop.stack.ponte("rollback")
        assert answer.returncode == 0, answer.stderr
        assert {shop.release(name) for name in SERVICES} == {"dev"}

    assert not seen.wrong


# What is appended to apps/fastapi/app.py, which is the last to be released. /readyz is asked first when it starts.
# (!) _exit and no SIGKILL: in a container it is process 1, which cannot kill itself.
COUNTED = """
import os, threading
_asked, _answer = [], readiness.ask
async def _ask():
    _asked.append(1)
    {what}
    return await _answer()
readiness.ask = _ask
"""
BROKEN = {
    "ready once and then not": COUNTED.format(
        what="if len(_asked) > 4: raise Problem(503, 'database: it was there before.')"
    ),
    "killed by the kernel": COUNTED.format(what="len(_asked) > 1 or threading.Timer(2, os._exit, (137,)).start()"),
    "memory exhausted": "\nbytearray(10**15)\n",
}


@pytest.mark.full
@pytest.mark.parametrize("fault", ["ready once and then not", "killed by the kernel", "memory exhausted"])
def test_when_the_last_service_fails_the_first_goes_back_as_well(shop: Shop, fault: str, tmp_path: Path):
    shop.edit("fastapi/app.py", new=BROKEN[fault])
    before = shop.ids("fastapi")
    with watched(shop.stack, tmp_path, *SERVICES) as seen:
        answer = shop.stack.ponte("deploy", "RELEASE=v4")

    assert answer.returncode == 1
    assert re.search(r"fastapi\S* .*; rolled back, release \w+ serves", said(answer))
    assert not seen.wrong
    assert {shop.release(name) for name in SERVICES} == {"dev"}
    assert before == shop.ids("fastapi"), "the old ones never left"
    assert shop.whole()


@pytest.mark.full
def test_a_release_that_listens_on_the_wrong_port_is_rolled_back(shop: Shop):
    shop.edit("serve/commands.py", "bind=launch.address", 'bind=f"{launch.host}:{launch.port + 2000}"')
    before = shop.ids()
    answer = shop.stack.ponte("deploy", "SERVICE=flask")

    assert answer.returncode == 1
    assert "is not ready after 60 s" in said(answer)
    assert shop.ids() == before


@pytest.mark.full
def test_a_release_that_answers_wrongly_is_rolled_back(shop: Shop):
    shop.edit("flask/app.py", '"Hello, World!", mimetype', '"Hello, Ponte!", mimetype')
    before = shop.ids()
    answer = shop.stack.ponte("deploy", "SERVICE=flask")

    assert answer.returncode == 1
    assert "/plaintext" in said(answer)
    assert shop.ids() == before


@pytest.mark.full
def test_a_migration_that_fails_changes_nothing(shop: Shop):
    migration = (
        "from django.db import migrations\n\n\nclass Migration(migrations.Migration):\n"
        '    dependencies = [("ponte", "0002_items")]\n'
        '    operations = [migrations.RunSQL("ALTER TABLE nowhere ADD COLUMN x int")]\n'
    )
    shop.edit("django/ponte/migrations/0003_nowhere.py", new=migration)
    before = shop.ids()
    answer = shop.stack.ponte("deploy")

    assert answer.returncode == 1
    assert "nothing was changed, release" in said(answer)
    assert "nowhere" in answer.stderr
    assert shop.ids() == before


@pytest.mark.full
def test_static_files_of_a_release_are_there_also_when_nginx_was_started_anew(shop: Shop):
    style = "body { color: teal }\n"
    shop.edit("django/ponte/static/ponte/shop.css", new=style)
    file = f"{shop.stack.url}/static/django/ponte/shop.{md5(style.encode()).hexdigest()[:12]}.css"
    answer = shop.stack.ponte("deploy", "SERVICE=django")
    assert answer.returncode == 0, answer.stderr
    assert shop.http.get(file).text == style

    if shop.stack.engine == "compose":  # elsewhere they lie outside of what is started
        (row,) = shop.stack.replicas("nginx")
        subprocess.run(["docker", "restart", row["id"]], check=True, capture_output=True)
        until(lambda: all(each["ready"] for each in shop.stack.replicas("nginx")), 30)
        assert shop.http.get(file).text == style


@pytest.mark.full
def test_a_second_command_waits_for_nobody_and_says_who_is_at_work(shop: Shop):
    shop.edit("flask/app.py", new="\n# another tree\n")
    first = shop.stack.begin("deploy", "SERVICE=flask")
    lock = shop.stack.root / ".run" / "lock"
    until(lambda: "deploy" in lock.read_text(), 20)
    answer = shop.stack.ponte("scale", "SERVICE=flask", "REPLICAS=3")
    _, err = first.communicate(timeout=120)

    assert answer.returncode == 3
    assert "./ponte deploy (pid" in said(answer)
    assert first.returncode == 0, err
    assert shop.whole()


@pytest.mark.full
@LONG
@pytest.mark.parametrize("then", ["up", "deploy", "rollback"])
def test_a_deploy_killed_at_any_moment_is_put_right_by_the_next_command(shop: Shop, then: str, tmp_path: Path):
    """Every step in turn is in tests/unit/test_deploy_deploying.py; here the real ones are killed at some moments."""
    with watched(shop.stack, tmp_path, "flask") as seen:
        for line, strategy in ((4, "rolling"), (7, "bluegreen"), (8, "rolling"), (12, "rolling")):
            shop.edit("flask/app.py", new=f"\n# tree {line}\n")
            first = shop.stack.begin("deploy", "SERVICE=flask", f"RELEASE=v{line}", f"STRATEGY={strategy}")
            lines = [first.stderr.readline() for _ in range(line)]  # type: ignore[union-attr]
            first.send_signal(signal.SIGKILL)
            first.communicate()
            answer = shop.stack.ponte(then, *(["SERVICE=flask", f"RELEASE=v{line}"] if then == "deploy" else []))

            assert answer.returncode in ((0, 3) if then == "rollback" else (0,)), (lines, answer.stderr)
            assert shop.whole(), lines
            word = shop.release("flask")
            assert then != "deploy" or word == f"v{line}"
            assert answer.returncode or then != "rollback" or word != f"v{line}"

    assert not seen.wrong


@pytest.mark.full
def test_other_packages_go_into_a_venv_of_the_release(shop: Shop):
    if shop.stack.engine != "native":
        pytest.skip("an image holds its packages")
    marks = shop.stack.root / ".run" / "venv" / "has-apps"
    before = marks.read_text()
    shop.edit("requirements.txt", new="\n# another lock file\n")
    assert shop.stack.ponte("ps").returncode == 0
    answer = shop.stack.ponte("deploy", "SERVICE=flask", seconds=UP_SECONDS)

    assert answer.returncode == 0, answer.stderr
    pids = [row["id"] for row in shop.stack.replicas("flask")]
    programs = {Path(f"/proc/{pid}/cmdline").read_text().partition("\0")[0] for pid in pids}
    assert all(re.search(r"/releases/\w+/venv/bin/python", program) for program in programs), programs
    assert marks.read_text() == before, ".run/venv, which the others run from, is as it was"
