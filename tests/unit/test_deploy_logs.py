from pathlib import Path

import pytest

from deploy.native.logs import files, read_on, tail


@pytest.mark.parametrize(("count", "shown"), [(2, ["8", "9"]), (100, [str(n) for n in range(10)])])
def test_the_end_of_a_file_is_read_from_its_end(tmp_path: Path, count: int, shown: list[str]):
    (tmp_path / "a.log").write_text("".join(f"{n}\n" for n in range(10)))

    assert tail(tmp_path / "a.log", count) == shown


def test_lines_longer_than_a_block_are_whole(tmp_path: Path):
    (tmp_path / "a.log").write_text(f"{'x' * 200_000}\n{'y' * 200_000}\n")

    assert [len(line) for line in tail(tmp_path / "a.log", 2)] == [200_000, 200_000]


def test_an_absent_file_has_no_lines(tmp_path: Path):
    assert tail(tmp_path / "a.log", 5) == []


def test_a_services_files_are_its_own(tmp_path: Path):
    for name in ("django-1", "django-asgi-1", "access", "error", "nginx", "postgres", "migrate"):
        (tmp_path / f"{name}.log").touch()

    assert [path.stem for path in files(tmp_path, "django")] == ["django-1"]
    assert [path.stem for path in files(tmp_path, "django-asgi")] == ["django-asgi-1"]
    assert [path.stem for path in files(tmp_path, "nginx")] == ["access", "error", "nginx"]
    assert len(files(tmp_path, None)) == 7


def test_following_gives_whole_lines_once_and_survives_rotation(tmp_path: Path):
    path, positions = tmp_path / "a.log", {}
    path.write_text("one\ntw")
    first = read_on(path, positions)
    path.write_text("one\ntwo\n")
    second = read_on(path, positions)
    path.write_text("new\n")

    assert (first, second, read_on(path, positions), read_on(path, positions)) == (["one"], ["two"], ["new"], [])
