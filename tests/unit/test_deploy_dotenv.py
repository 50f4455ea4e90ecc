import pytest

from deploy.dotenv import parse, read
from deploy.errors import Refused


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("A=1", "1"),
        ("export A=1", "1"),
        ("  A = 1  ", "1"),
        ("A=", ""),
        ("A=a b", "a b"),
        ("A=a#b", "a#b"),
        ("A=a # why", "a"),
        ("A= # nothing but a comment", ""),
        ("A='a b' # why", "a b"),
        ('A="a # b"', "a # b"),
        ("A='$5\\n'", "$5\\n"),
        ("A=localhost [::1]", "localhost [::1]"),
        ("A=b=c", "b=c"),
    ],
)
def test_a_value_is_read_as_compose_reads_it(line: str, value: str):
    assert parse(line) == {"A": value}


def test_comments_and_empty_lines_are_no_variables():
    assert parse("# A=1\n\n   # B=2\nC=3\n") == {"C": "3"}


def test_a_byte_order_mark_is_no_part_of_the_first_name(tmp_path):
    (tmp_path / ".env").write_bytes("\ufeffA=1\r\n".encode())

    assert read(tmp_path / ".env") == {"A": "1"}


@pytest.mark.parametrize(
    "line", ["HTTP_PORT", "HTTP_PORT: 8080", "1A=2", "=8080", "set A=1", "A B=1", "A='x", 'A="x" y']
)
def test_a_broken_line_is_quoted_with_its_number(line: str):
    with pytest.raises(Refused) as refusal:
        parse(f"# first\n{line}\n")

    assert str(refusal.value).startswith(f".env line 2: {line!r} ")
    assert refusal.value.code == 2


@pytest.mark.parametrize("line", ["A=$HOME", 'A="$HOME"', "A=a\\b"])
def test_what_tools_read_differently_is_refused_with_the_mend(line: str):
    with pytest.raises(Refused, match="single quotes"):
        parse(line)


def test_an_absent_file_sets_nothing(tmp_path):
    assert read(tmp_path / ".env") == {}


def test_a_file_that_is_no_text_is_told_in_a_sentence(tmp_path):
    (tmp_path / ".env").write_bytes(b"A=\xff\xfe")

    with pytest.raises(Refused, match=r"\.env cannot be read"):
        read(tmp_path / ".env")
