from pathlib import Path

import pytest

from deploy import state
from deploy.errors import Refused
from deploy.native.record import Member, Record, load
from deploy.release import Release, Standing
from deploy.tree import tree

OLD, NEW = Release("ab12", "v1"), Release("ef56", "v2")


def record() -> Record:
    members = {"flask-1": Member("flask-1", "flask", 20001, "gunicorn", 2, NEW)}
    found = Record("ponte", "cd34", "http://127.0.0.1:8080", {}, {}, members=members, routed=["flask-1"])
    found.releases = {"flask": Standing(NEW, OLD), "fastapi": Standing(OLD)}
    found.toward, found.counts = {"fastapi": NEW}, {"flask": 1, "fastapi": 2}
    return found


def test_a_record_survives_the_file(tmp_path: Path):
    record().save(tmp_path)

    assert load(tmp_path) == record()


@pytest.mark.parametrize("damage", ["", "{", "[]", '"x"', '{"engine": "native"}', "\x00" * 50])
def test_a_damaged_file_is_recognised(tmp_path: Path, damage: str):
    (tmp_path / "state.json").write_text(damage)

    with pytest.raises(state.Damaged):
        state.read(tmp_path)


def test_a_record_of_another_version_is_damaged_too(tmp_path: Path):
    state.write(tmp_path, {"engine": "native", "project": "ponte", "surprise": 1})

    with pytest.raises(state.Damaged):
        load(tmp_path)


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path):
    record().save(tmp_path)

    with pytest.raises(TypeError):
        state.write(tmp_path, {"engine": object()})
    assert load(tmp_path) == record()
    assert [path.name for path in tmp_path.iterdir()] == ["state.json"]


def test_settings_are_for_their_owner_alone(tmp_path: Path):
    record().save(tmp_path)

    assert (tmp_path / "state.json").stat().st_mode & 0o077 == 0


def test_a_secret_is_never_readable_by_others(tmp_path: Path):
    state.replace(tmp_path / "secret", "x", 0o600)

    assert (tmp_path / "secret").stat().st_mode & 0o077 == 0


def test_two_commands_at_once_are_refused_by_name(tmp_path: Path):
    with (
        state.alone(tmp_path, "scale"),
        pytest.raises(Refused, match=r"\./ponte scale \(pid \d+\) is at work") as refusal,
    ):
        state.alone(tmp_path, "up").__enter__()
    assert refusal.value.code == 3


def test_a_killed_command_leaves_no_lock(tmp_path: Path):
    (tmp_path / "lock").write_text("./ponte up (pid 1)")

    with state.alone(tmp_path, "down"):
        pass


def test_the_lowest_free_number_names_a_new_replica():
    found = record()
    found.members["flask-3"] = Member("flask-3", "flask", 20003, "gunicorn", 2, OLD)

    assert (found.next_name("flask"), found.next_name("django-asgi")) == ("flask-2", "django-asgi-1")


def test_the_tree_hash_tells_content_from_what_python_leaves_behind(tmp_path: Path):
    (tmp_path / "apps" / "__pycache__").mkdir(parents=True)
    (tmp_path / "apps" / "app.py").write_text("1")
    before = tree(tmp_path)
    (tmp_path / "apps" / "__pycache__" / "app.pyc").write_text("x")
    same = tree(tmp_path)
    (tmp_path / "apps" / "app.py").write_text("2")

    assert before == same != tree(tmp_path)
    assert tree(tmp_path, ("nginx",)) == tree(tmp_path / "apps", ("nginx",))
