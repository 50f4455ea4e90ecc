"""Backups as files: what bears a name is whole, what is not whole is told, the oldest go."""

import re
import subprocess
from pathlib import Path

import pytest

from deploy.backup import files
from deploy.backup.rows import Contents, Rows, differences, revived
from deploy.clean import remove
from deploy.errors import Refused
from deploy.settings import Settings, build

CONTENTS = Contents({"public.jobs": Rows(0, "0"), "public.messages": Rows(12, "345")}, {"public.messages_id_seq": 12})
BYTES = files.MAGIC + b"\x01\x10" + b"dumped" * 100


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return build({}, {}, tmp_path, tmp_path / ".run")


def make(settings: Settings, name: str | None = None) -> Path:
    path = files.new(settings, name)
    with files.draft(path) as file:
        file.write(BYTES)
        file.flush()
        files.publish(path, file, {"taken": "now", **CONTENTS.as_dict()})
    return path


def test_a_backup_has_its_checksums_beside_it_and_is_for_its_owner_alone(settings: Settings):
    path = make(settings)
    beside = sorted(path.parent.iterdir())

    assert [each.suffix for each in beside] == [".dump", ".json", ".sha256"]
    assert {each.stat().st_mode & 0o777 for each in beside} == {0o600}
    assert path.parent.stat().st_mode & 0o777 == 0o700
    subprocess.run(["sha256sum", "--check", "--strict", "--quiet", beside[2].name], cwd=path.parent, check=True)
    assert files.damage(path) == ""
    assert revived(files.about(path) or {}) == CONTENTS


def test_what_fails_leaves_nothing(settings: Settings):
    path = files.new(settings, None)
    with pytest.raises(KeyboardInterrupt), files.draft(path) as file:
        file.write(BYTES)
        raise KeyboardInterrupt

    assert list(path.parent.iterdir()) == []


def test_the_dump_gets_its_name_last(settings: Settings, monkeypatch: pytest.MonkeyPatch):
    def replaced(target: Path, *_: object) -> None:
        assert not list(target.parent.glob("*.dump"))
        target.touch()

    monkeypatch.setattr(files, "replace", replaced)

    assert make(settings).exists()


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def change(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1] + b"X")


WRONG = {
    "a dump cut short": (lambda path: cut(path), "is truncated or changed"),
    "a dump with another byte": (lambda path: change(path), "is truncated or changed"),
    "a list with another byte": (lambda path: change(files.beside(path, ".json")), ".json is truncated or changed"),
    "another checksum": (lambda path: change(files.beside(path, ".sha256")), "is truncated or changed"),
    "an empty file": (lambda path: path.write_bytes(b""), "is no dump"),
    "another kind of file": (lambda path: path.write_text("CREATE TABLE"), "is no dump"),
    "no checksum": (lambda path: files.beside(path, ".sha256").unlink(), "has no checksum beside it; .* sha256sum"),
    "nonsense for a checksum": (lambda path: files.beside(path, ".sha256").write_text("x\n"), "has no checksum"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_backup_that_is_not_whole_is_told_in_a_sentence(settings: Settings, wrong: str):
    path = make(settings)
    spoil, sentence = WRONG[wrong]
    spoil(path)

    assert re.search(sentence, files.damage(path))
    assert "\n" not in files.damage(path)


def test_somebody_elses_dump_needs_a_checksum_and_nothing_more(settings: Settings):
    path = settings.root / "theirs.dump"
    path.write_bytes(BYTES)
    said = subprocess.run(["sha256sum", str(path)], capture_output=True, text=True, check=True).stdout
    files.beside(path, ".sha256").write_text(said)

    assert files.damage(path) == ""
    assert files.about(path) is None


def test_the_newest_stay_and_what_a_killed_backup_left_goes(settings: Settings):
    made = [make(settings) for _ in range(4)]
    own = make(settings, ".run/backups/before.dump")
    files.draft_of(made[0]).touch()
    files.beside(made[0].with_name("ponte-20200101T000000.000Z.dump"), ".json").touch()

    assert files.forget_old(settings, 3) == made[:1]
    assert files.kept(settings) == made[1:]
    assert len(list(own.parent.iterdir())) == 4 * 3
    assert files.forget_old(settings, 0) == []


def test_nothing_is_written_over(settings: Settings):
    make(settings, "mine.dump")

    with pytest.raises(Refused, match=r"FILE='mine.dump' exists already; choose another name") as refusal:
        files.new(settings, "mine.dump")
    assert refusal.value.code == 2


def test_a_folder_that_is_not_there_is_told(settings: Settings):
    with pytest.raises(Refused, match="there is no folder"):
        files.new(settings, "no/mine.dump")


def test_the_newest_is_taken_when_none_is_named(settings: Settings):
    with pytest.raises(Refused, match=r"no backup in .run/backups; ./ponte backup makes one") as refusal:
        files.named(settings, None)
    assert refusal.value.code == 3
    made = [make(settings) for _ in range(2)]

    assert files.named(settings, None) == made[-1]
    with pytest.raises(Refused, match=r"FILE='x' does not exist; choose from \.run/backups/ponte-") as refusal:
        files.named(settings, "x")
    assert refusal.value.code == 2


def test_clean_leaves_backups(settings: Settings):
    path = make(settings)
    (settings.run / "postgres").mkdir()
    (settings.run / "state.json").touch()
    remove(settings.run, path.parent)

    assert [each.name for each in settings.run.iterdir()] == ["backups"]
    assert files.damage(path) == ""
    remove(settings.run)
    assert not settings.run.exists()


NOW = {
    "the same": (CONTENTS, []),
    "a row more": (
        Contents(CONTENTS.tables | {"public.messages": Rows(13, "345")}, CONTENTS.sequences),
        ["public.messages had 12 rows and has 13"],
    ),
    "another row": (
        Contents(CONTENTS.tables | {"public.messages": Rows(12, "346")}, CONTENTS.sequences),
        ["public.messages has other rows than it had"],
    ),
    "no table": (
        Contents({"public.jobs": Rows(0, "0"), "public.x": Rows(1, "1")}, CONTENTS.sequences),
        ["public.messages is missing", "public.x was not there"],
    ),
    "numbers given again": (
        Contents(CONTENTS.tables, {"public.messages_id_seq": 11}),
        ["public.messages_id_seq is at 11 and was at 12"],
    ),
    "numbers given since": (Contents(CONTENTS.tables, {"public.messages_id_seq": 14}), []),
}


@pytest.mark.parametrize("case", NOW)
def test_what_differs_is_named(case: str):
    now, sentences = NOW[case]

    assert list(differences(CONTENTS, now)) == sentences
