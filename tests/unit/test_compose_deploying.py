"""In containers too a release serves or the old one does, whatever fails and whenever the command is killed."""

from pathlib import Path

import pytest

pytest.importorskip("psutil")

from deploy.errors import Answer, Refused
from deploy.variables import SERVICES
from tests.dock import BY_NAME, Commands
from tests.machine import Killed

BOTH = ("rolling", "bluegreen")


@pytest.fixture
def ponte(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Commands:
    return Commands(tmp_path, monkeypatch)


def test_rolling_goes_replica_by_replica_new_in_before_old_out(ponte: Commands):
    second = ponte.release()
    ponte.deploying().deploy(("flask",), "rolling")

    assert ponte.dock.events == [
        "start flask-4", "watch", "stop flask-1",
        "start flask-5", "watch", "stop flask-2",
        BY_NAME,
    ]  # fmt: skip
    releases = ponte.record.releases
    assert (releases["flask"].now.runs, releases["flask"].before.runs) == (second, ponte.first)
    assert releases["fastapi"].now.runs == ponte.first
    assert ponte.serving() == {ponte.first, second}


def test_bluegreen_starts_all_switches_once_and_then_stops_all(ponte: Commands):
    second = ponte.release()
    ponte.deploying().deploy(SERVICES, "bluegreen")

    assert ponte.dock.events == [
        "start flask-4", "start flask-5", "start fastapi-6", "watch",
        "stop flask-1", "stop flask-2", "stop fastapi-3",
        BY_NAME,
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


def test_images_that_nobody_can_return_to_are_removed(ponte: Commands):
    for text in ("second", "third", "fourth"):
        last = ponte.release(text)
        ponte.deploying().deploy(SERVICES, "rolling")

        assert ponte.serving() == {last}


def test_the_tree_that_runs_is_not_released_again(ponte: Commands):
    ponte.deploying().deploy(SERVICES, "rolling")

    assert ponte.dock.events == []


def test_another_word_is_another_release_of_the_same_tree(ponte: Commands):
    ponte.deploying(RELEASE="v2").deploy(SERVICES, "rolling")
    ponte.deploying().deploy(SERVICES, "rolling")  # keeps the word

    assert {each.release for each in ponte.serving()} == {"v2"}


def test_nothing_to_return_to_is_told(ponte: Commands):
    with pytest.raises(Refused, match="nothing to return to") as refusal:
        ponte.deploying().rollback(SERVICES)

    assert refusal.value.code == 3
    assert ponte.dock.events == []


def test_an_image_that_somebody_has_removed_cannot_be_returned_to(ponte: Commands):
    second = ponte.release()
    ponte.deploying().deploy(SERVICES, "rolling")
    ponte.dock.ask("docker", "image", "rm", "p-fastapi:before")
    with pytest.raises(Refused, match="the image of fastapi to return to is not there any more"):
        ponte.deploying().rollback(SERVICES)

    assert {ponte.dock.images[each.image] for each in ponte.dock.there} == {second}


def test_what_plain_compose_has_brought_is_not_taken_away(ponte: Commands):
    """A user's own `docker compose up --build` is a release too, of a tree that nobody has noted."""
    image = ponte.dock.put("flask", ponte.release("by hand"))
    ponte.dock.there = [each for each in ponte.dock.there if each.service != "flask"]
    for _ in range(2):
        ponte.dock.make("flask")
    ponte.dock.change_all("running")
    ponte.dock.ready = {each.id for each in ponte.dock.there}

    assert not ponte.deploying().settle()
    ponte.deploying().deploy(("fastapi",), "rolling")
    assert ponte.record.releases["flask"].now.image == image
    assert len(ponte.dock.alive("flask")) == 2


FAULTS = ("unready", "breaking", "rude")


@pytest.mark.parametrize("strategy", BOTH)
@pytest.mark.parametrize("fault", FAULTS)
def test_when_the_second_service_fails_the_first_goes_back_too(ponte: Commands, strategy: str, fault: str):
    second = ponte.release()
    setattr(ponte.dock, fault, {"fastapi"} if fault == "breaking" else {second.tree})
    with pytest.raises(Answer, match=rf"; rolled back, release {ponte.first} serves"):
        ponte.deploying().deploy(SERVICES, strategy)

    assert ponte.serving() == {ponte.first}
    assert ponte.dock.alive("fastapi") == ["fastapi-3"], "the old one never left"


@pytest.mark.parametrize("fault", ("build", "migrate"))
def test_a_build_or_a_migration_that_fails_changes_nothing(ponte: Commands, fault: str):
    ponte.release()
    ponte.dock.faults = {fault}
    with pytest.raises(Answer, match=rf"failed.*; nothing was changed, release {ponte.first} serves"):
        ponte.deploying().deploy(SERVICES, "rolling")

    assert ponte.dock.events == []
    assert ponte.serving() == {ponte.first}


def test_the_last_words_of_who_failed_stand_below_the_sentence(ponte: Commands):
    ponte.dock.unready = {ponte.release().tree}
    with pytest.raises(Answer) as failure:
        ponte.deploying().deploy(("flask",), "rolling")

    assert str(failure.value).splitlines() == [
        f"flask-4 is not ready; rolled back, release {ponte.first} serves",
        "  flask | its last words",
    ]


def test_a_replica_that_has_ended_is_replaced_before_a_release(ponte: Commands):
    """(!) Compose would start it again, and it would be of the old tree."""
    ponte.dock.change("flask-1", "exited")
    second = ponte.release()
    ponte.deploying().deploy(SERVICES, "rolling")

    assert ponte.serving() == {second}


def test_a_stack_that_nobody_changed_is_not_changed(ponte: Commands):
    assert not ponte.deploying().settle()
    assert ponte.dock.events == []


def kill_at(ponte: Commands, step: int, act) -> bool:
    """True when the command was killed."""
    ponte.dock.steps, ponte.dock.dies_at = 0, step
    try:
        act()
    except Killed:
        return True
    finally:
        ponte.dock.dies_at = None
    return False


def up(ponte: Commands) -> None:
    ponte.deploying().settle()


def again(ponte: Commands) -> None:
    ponte.deploying().deploy(SERVICES, "rolling")


def back(ponte: Commands) -> None:
    ponte.deploying().rollback(SERVICES)


def part(ponte: Commands) -> None:
    ponte.release("third")
    ponte.deploying().deploy(("fastapi",), "bluegreen")
    ponte.deploying().deploy(SERVICES, "rolling")


@pytest.mark.parametrize("strategy", BOTH)
@pytest.mark.parametrize("then", [up, again, back, part])
def test_a_deploy_killed_at_any_step_is_taken_back_or_finished_by_the_next_command(
    ponte: Commands, strategy: str, then
):
    seen = set()
    for step in range(300):
        ponte.begin()
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
    assert then is not up or seen == {ponte.first, second}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_way_back_that_is_killed_is_gone_by_the_next_command(ponte: Commands, fault: str):
    for step in range(300):
        ponte.begin()
        setattr(ponte.dock, fault, {"fastapi"} if fault == "breaking" else {ponte.release().tree})
        try:
            kill_at(ponte, step, lambda: ponte.deploying().deploy(SERVICES, "rolling"))
        except Answer:
            break
        up(ponte)
        assert ponte.serving() == {ponte.first}, step
    assert step > 5


@pytest.mark.parametrize("count", [1, 4])
def test_a_scale_killed_at_any_step_is_finished_or_was_not_begun(ponte: Commands, count: int):
    for step in range(100):
        ponte.begin()
        if not kill_at(ponte, step, lambda: ponte.deploying().change.scale("flask", count)):
            break
        up(ponte)
        assert ponte.serving() == {ponte.first}, step
    assert step > 3
