"""A release serves or the old one does, whatever fails and whenever the command is killed."""

from pathlib import Path
from types import SimpleNamespace

import pytest

pytest.importorskip("psutil")

from deploy.engines.native import Native
from deploy.errors import Answer, Refused, impossible
from deploy.native import change, deploying
from deploy.variables import SERVICES
from tests.machine import Commands, Killed

BOTH = ("rolling", "bluegreen")


@pytest.fixture
def ponte(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Commands:
    return Commands(tmp_path, monkeypatch)


def test_rolling_goes_replica_by_replica_new_in_before_old_out(ponte: Commands):
    second = ponte.release()
    ponte.deploying().deploy(("flask",), "rolling")

    assert ponte.machine.events == [
        "start flask-3", "ready flask-3", "route fastapi-1 flask-1 flask-2 flask-3", "watch",
        "route fastapi-1 flask-2 flask-3", "stop flask-1",
        "start flask-1", "ready flask-1", "route fastapi-1 flask-1 flask-2 flask-3", "watch",
        "route fastapi-1 flask-1 flask-3", "stop flask-2",
    ]  # fmt: skip
    assert (ponte.record.releases["flask"].now, ponte.record.releases["flask"].before) == (second, ponte.first)
    assert ponte.record.releases["fastapi"].now == ponte.first


def test_bluegreen_starts_all_switches_once_and_then_stops_all(ponte: Commands):
    second = ponte.release()
    ponte.deploying().deploy(SERVICES, "bluegreen")

    assert ponte.machine.events == [
        "start flask-3", "start flask-4", "start fastapi-2", "ready flask-3", "ready flask-4", "ready fastapi-2",
        "route fastapi-1 fastapi-2 flask-1 flask-2 flask-3 flask-4", "watch",
        "route fastapi-2 flask-3 flask-4", "stop flask-1", "stop flask-2", "stop fastapi-1",
    ]  # fmt: skip
    assert ponte.serving() == {second}


@pytest.mark.parametrize("strategy", BOTH)
def test_rolling_back_twice_returns(ponte: Commands, strategy: str):
    second = ponte.release()
    ponte.deploying().deploy(SERVICES, strategy)
    ponte.deploying().rollback(SERVICES)
    assert ponte.serving() == {ponte.first}

    ponte.deploying().rollback(SERVICES)
    assert ponte.serving() == {second}


def test_static_files_are_those_of_the_release_that_serves(ponte: Commands):
    second = ponte.release()
    ponte.deploying().deploy(SERVICES, "rolling")
    assert ponte.machine.collected == second.tree

    ponte.deploying().rollback(SERVICES)
    assert ponte.machine.collected == ponte.first.tree

    ponte.release("third")
    ponte.machine.breaking = {"fastapi"}
    with pytest.raises(Answer):
        ponte.deploying().deploy(SERVICES, "rolling")
    assert ponte.machine.collected == ponte.first.tree


def test_a_release_without_django_leaves_its_static_files_alone(ponte: Commands):
    ponte.release()
    ponte.deploying().deploy(("flask",), "rolling")

    assert ponte.machine.collected == ""


def test_the_tree_that_runs_is_not_released_again(ponte: Commands):
    ponte.deploying().deploy(SERVICES, "rolling")

    assert ponte.machine.events == []


def test_another_word_is_another_release_of_the_same_tree(ponte: Commands):
    ponte.deploying(RELEASE="v2").deploy(SERVICES, "rolling")
    ponte.deploying().deploy(SERVICES, "rolling")  # keeps the word

    assert {each.release for each in ponte.serving()} == {"v2"}


def test_nothing_to_return_to_is_told(ponte: Commands):
    with pytest.raises(Refused, match="nothing to return to") as refusal:
        ponte.deploying().rollback(SERVICES)

    assert refusal.value.code == 3
    assert ponte.machine.events == []


FAULTS = ("unready", "rude", "breaking")


@pytest.mark.parametrize("strategy", BOTH)
@pytest.mark.parametrize("fault", FAULTS)
def test_a_release_that_fails_is_taken_back_and_the_command_says_so(ponte: Commands, fault: str, strategy: str):
    second = ponte.release()
    setattr(ponte.machine, fault, {"fastapi"} if fault == "breaking" else {second.tree})
    with pytest.raises(Answer, match=f"; rolled back, release {ponte.first} serves"):
        ponte.deploying().deploy(SERVICES, strategy)

    assert ponte.serving() == {ponte.first}
    assert {path.name for path in ponte.layout.releases.iterdir()} == {ponte.first.tree}


def test_who_failed_in_routing_leaves_it_before_anything_else(ponte: Commands):
    ponte.release()
    ponte.machine.breaking = {"flask-1"}  # of the new ones it is the second: the first old one has stopped
    with pytest.raises(Answer):
        ponte.deploying().deploy(("flask",), "rolling")

    at = ponte.machine.events.index("stop flask-1")
    assert ponte.machine.events[at + 1 :] == [
        "start flask-1", "ready flask-1", "route fastapi-1 flask-1 flask-2 flask-3",
        "route fastapi-1 flask-2 flask-3", "stop flask-1",
        "start flask-1", "ready flask-1", "route fastapi-1 flask-1 flask-2 flask-3",
        "route fastapi-1 flask-1 flask-2", "stop flask-3",
    ]  # fmt: skip


def test_who_may_be_in_routing_leaves_it_before_it_stops(ponte: Commands):
    """nginx took the new configuration in and did not say so in time; the machine checks that nobody in it stops."""
    ponte.release()
    ponte.machine.silent = True
    with pytest.raises(Answer, match="nginx has not reloaded; rolled back"):
        ponte.deploying().deploy(("flask",), "rolling")

    assert ponte.serving() == {ponte.first}


def test_who_was_let_in_stays_until_the_old_ones_are_back(ponte: Commands, monkeypatch: pytest.MonkeyPatch):
    """The only replica of a service that was switched already is no failure of the next one."""
    ponte.change().scale("flask", 1)
    ponte.release()
    ports = iter([21000])

    def allocate(count: int) -> list[int]:
        try:
            return [next(ports)]
        except StopIteration:
            monkeypatch.setattr(ponte.machine, "ports", lambda count: [22000])
            raise impossible("no free ports") from None

    monkeypatch.setattr(ponte.machine, "ports", allocate)
    with pytest.raises(Answer, match="no free ports; rolled back"):
        ponte.deploying().deploy(SERVICES, "rolling")

    assert ponte.serving() == {ponte.first}


def test_the_sentence_comes_first_and_the_last_words_below_it(ponte: Commands):
    ponte.machine.unready = {ponte.release().tree}
    with pytest.raises(Answer) as failure:
        ponte.deploying().deploy(("flask",), "rolling")

    assert str(failure.value).splitlines() == [
        f"flask-3 is not ready; rolled back, release {ponte.first} serves",
        "  flask-3 | its last words",
    ]


def test_a_migration_that_fails_changes_nothing(ponte: Commands, monkeypatch: pytest.MonkeyPatch):
    def fail(*_):
        raise impossible("migrate failed\n  migrate | no such column")

    monkeypatch.setattr(deploying.django, "migrate", fail)
    ponte.release()
    with pytest.raises(Answer, match="migrate failed; nothing was changed, release") as failure:
        ponte.deploying().deploy(SERVICES, "rolling")

    assert str(failure.value).endswith("no such column")
    assert ponte.machine.events == []
    assert ponte.serving() == {ponte.first}


def test_a_tree_whose_launcher_fails_changes_nothing(ponte: Commands, monkeypatch: pytest.MonkeyPatch):
    def fail(*_):
        raise Refused("SyntaxError: invalid syntax")

    monkeypatch.setattr(change, "check", fail)
    ponte.release()
    with pytest.raises(Answer, match="SyntaxError: invalid syntax; nothing was changed, release"):
        ponte.deploying().deploy(SERVICES, "rolling")

    assert ponte.serving() == {ponte.first}


def kill_at(ponte: Commands, step: int, act) -> bool:
    """True when the command got that far."""
    ponte.machine.steps, ponte.machine.dies_at = 0, step
    try:
        act()
    except Killed:
        return True
    finally:
        ponte.machine.dies_at = None
    return False


def up(ponte: Commands) -> None:
    ponte.change().mend()


def again(ponte: Commands) -> None:
    ponte.deploying().deploy(SERVICES, "rolling")


def back(ponte: Commands) -> None:
    ponte.deploying().rollback(SERVICES)


def part(ponte: Commands) -> None:
    ponte.release("third")
    ponte.deploying().deploy(("fastapi",), "bluegreen")
    assert not ponte.change().unsettled()
    ponte.deploying().deploy(SERVICES, "rolling")


@pytest.mark.parametrize("strategy", BOTH)
@pytest.mark.parametrize("then", [up, again, back, part])
def test_a_deploy_killed_at_any_step_is_taken_back_or_finished_by_the_next_command(
    ponte: Commands, strategy: str, then
):
    before, seen = ponte.record, set()
    for step in range(200):
        before.save(ponte.layout.run)
        ponte.machine.__init__(before)
        second = ponte.release()
        if not kill_at(ponte, step, lambda: ponte.deploying().deploy(SERVICES, strategy)):
            break
        if then is back and not (ponte.record.toward or ponte.record.releases["flask"].before):
            continue  # not begun: there is nothing to return to
        then(ponte)
        expected = {
            up: {ponte.first, second},
            again: {second},
            back: {ponte.first},
            part: {ponte.release("third")},
        }[then]
        serving = ponte.serving()
        assert len(serving) == 1 and serving <= expected, step
        seen |= serving
    assert step > 20
    assert (then, strategy) != (up, "bluegreen") or seen == {ponte.first, second}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_way_back_that_is_killed_is_gone_by_the_next_command(ponte: Commands, fault: str):
    before = ponte.record
    for step in range(200):
        before.save(ponte.layout.run)
        ponte.machine.__init__(before)
        setattr(ponte.machine, fault, {"fastapi"} if fault == "breaking" else {ponte.release().tree})
        try:
            kill_at(ponte, step, lambda: ponte.deploying().deploy(SERVICES, "rolling"))
        except Answer:
            break
        up(ponte)
        assert ponte.serving() == {ponte.first}, step
    assert step > 5


def test_a_stack_of_the_checkout_itself_has_no_releases():
    engine = Native.__new__(Native)
    engine.change = lambda: SimpleNamespace(settings=SimpleNamespace(dev=True))
    with pytest.raises(Refused, match="with DEV=1 the checkout itself runs") as refusal:
        engine.deploy(SERVICES, "rolling")

    assert refusal.value.code == 2
