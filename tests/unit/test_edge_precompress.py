"""Text files get a compressed one beside them."""

import gzip
import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parents[2] / "nginx" / "precompress.py"
TEXT, FORMS = (runpy.run_path(str(PROGRAM))[name] for name in ("TEXT", "FORMS"))  # what this Python can
LONG = b"body { color: black }\n" * 100


def precompress(folder: Path) -> set[str]:
    """Which files are there afterwards."""
    subprocess.run([sys.executable, PROGRAM, folder], check=True)
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("ending", sorted(TEXT))
def test_text_is_compressed_wherever_it_lies(tmp_path: Path, ending: str) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / f"x{ending}").write_bytes(LONG)

    assert precompress(tmp_path) == {f"a/b/x{ending}{form}" for form in ("", *FORMS)}
    assert gzip.decompress((tmp_path / "a" / "b" / f"x{ending}.gz").read_bytes()) == LONG


@pytest.mark.parametrize(
    ("name", "content"),
    [("x.png", LONG), ("x.css.gz", LONG), ("x.css", LONG[:1023]), ("x.js", os.urandom(4096)), ("x.txt", b"")],
    ids=["no text", "compressed before", "short", "does not shrink", "empty"],
)
def test_what_would_gain_nothing_stays_alone(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)

    assert precompress(tmp_path) == {name}


@pytest.mark.parametrize(("form", "module"), [(".br", "brotli"), (".zst", "zstandard")])
def test_other_forms_are_made_where_python_can(tmp_path: Path, form: str, module: str) -> None:
    unpacker = pytest.importorskip(module)
    (tmp_path / "x.css").write_bytes(LONG)
    precompress(tmp_path)

    assert unpacker.decompress((tmp_path / f"x.css{form}").read_bytes()) == LONG


def test_a_second_run_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "x.css").write_bytes(LONG)
    before = {name: (tmp_path / name).read_bytes() for name in precompress(tmp_path)}

    assert {name: (tmp_path / name).read_bytes() for name in precompress(tmp_path)} == before


def test_both_forms_have_one_date(tmp_path: Path) -> None:
    (tmp_path / "x.css").write_bytes(LONG)
    os.utime(tmp_path / "x.css", (1_700_000_000, 1_700_000_000))
    precompress(tmp_path)

    assert (tmp_path / "x.css.gz").stat().st_mtime == 1_700_000_000


def test_a_changed_file_is_compressed_anew(tmp_path: Path) -> None:
    (tmp_path / "x.css").write_bytes(LONG)
    precompress(tmp_path)
    (tmp_path / "x.css").write_bytes(LONG * 2)
    precompress(tmp_path)

    assert gzip.decompress((tmp_path / "x.css.gz").read_bytes()) == LONG * 2


def test_a_file_that_became_short_loses_its_compressed_form(tmp_path: Path) -> None:
    (tmp_path / "x.css").write_bytes(LONG)
    precompress(tmp_path)
    (tmp_path / "x.css").write_bytes(b"")

    assert precompress(tmp_path) == {"x.css"}
