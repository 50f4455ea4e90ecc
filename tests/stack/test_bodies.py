"""Bodies that are refused before anything is done with them; the same in process and behind the edge."""

import json

import pytest

from tests.apps import App
from tests.contract import MIB, assert_error

JSON_LIMIT = 64 * 1024
NOT_JSON = {
    "empty": b"",
    "space": b" \n",
    "cut": b'{"author":"a","text":',
    "single quotes": b"{'author':'a','text':'b'}",
    "trailing comma": b'{"author":"a","text":"b",}',
    "two values": b'{"author":"a","text":"b"}{}',
    "nan": b'{"author":"a","text":"b","ms":NaN}',
    "infinity": b'{"author":"a","text":"b","ms":Infinity}',
    "minus infinity": b'{"author":"a","text":"b","ms":-Infinity}',
    "leading zero": b'{"author":"a","text":"b","ms":01}',
    "raw control character": b'{"author":"a\x00","text":"b\n"}',
    "invalid utf-8": b'{"author":"a","text":"\xff\xfe"}',
    "encoded surrogate": b'{"author":"a","text":"\xed\xa0\x80"}',
    "latin-1": '{"author":"a","text":"é"}'.encode("latin-1"),
    "utf-16": '{"author":"a","text":"b"}'.encode("utf-16"),
    "utf-32": '{"author":"a","text":"b"}'.encode("utf-32-le"),
    "form": b"author=a&text=b&ms=1",
}
NOT_OBJECTS = (b"[]", b"null", b"true", b"1", b'"text"', b'[{"author":"a","text":"b","ms":1}]', b"1" * 5000, b"-1e999")
WRONG_TEXTS: tuple[object, ...] = (None, True, 1, 1.5, [], ["a"], {}, "", "a\x00b", "\ud800", "a\udfff")
WRONG_NUMBERS: tuple[object, ...] = (
    None,
    True,
    False,
    "100",
    1.5,
    100.0,
    [],
    [1],
    {},
    -1,
    30_001,
    2**63,
    -(2**63),
    10**400,
)
UUID = "00000000-0000-4000-8000-000000000000"
BRACKETS = {"open": b"[" * 60_000, "closed": b"[" * 30_000 + b"]" * 30_000, "objects": b'{"ms":' * 10_000}


@pytest.mark.parametrize("path", ("/messages", "/jobs"))
@pytest.mark.parametrize("what", NOT_JSON)
def test_a_body_that_is_not_json_is_400(app: App, path: str, what: str):
    assert_error(app.post(path, content=NOT_JSON[what]), 400)


@pytest.mark.parametrize("path", ("/messages", "/jobs"))
def test_json_that_is_no_object_is_422(app: App, path: str):
    for body in NOT_OBJECTS:
        assert_error(app.post(path, content=body), 422)


@pytest.mark.asks("/messages")
@pytest.mark.parametrize("field", ("author", "text"))
def test_a_text_of_the_wrong_type_or_content_is_422(app: App, field: str):
    good = {"author": "ada", "text": "hello"}
    for wrong in WRONG_TEXTS:
        answer = app.post("/messages", content=json.dumps({**good, field: wrong}))

        assert (wrong, answer.status_code) == (wrong, 422)
        assert field in assert_error(answer, 422)["detail"]
    del good[field]
    assert_error(app.post("/messages", content=json.dumps(good)), 422)


@pytest.mark.asks("/messages")
@pytest.mark.parametrize(("field", "longest"), (("author", 80), ("text", 2000)))
@pytest.mark.parametrize("character", ("a", "é", "\U0001f600"))
def test_a_text_too_long_in_characters_is_422(app: App, field: str, longest: int, character: str):
    body = {"author": "ada", "text": "hello", field: character * (longest + 1)}

    assert_error(app.post("/messages", json=body), 422)


@pytest.mark.asks("/jobs")
def test_a_job_that_is_not_a_whole_number_in_range_is_422(app: App):
    for wrong in WRONG_NUMBERS:
        answer = app.post("/jobs", content=json.dumps({"ms": wrong}))

        assert (wrong, answer.status_code) == (wrong, 422)
        assert_error(answer, 422)
    for body in (b'{"ms":1e2}', b'{"ms":' + b"9" * 5000 + b"}", b'{"ms":-0.0}', b'{"ms":1e999}'):
        assert_error(app.post("/jobs", content=body), 422)


@pytest.mark.parametrize("path", ("/messages", "/jobs"))
@pytest.mark.parametrize("what", BRACKETS)
def test_json_too_deep_for_a_parser_is_an_answer_and_not_a_crash(app: App, path: str, what: str):
    answer = app.post(path, content=BRACKETS[what])

    assert answer.status_code in {400, 422}  # a parser gives up before it knows which (RFC 8259, section 9)
    assert_error(answer, answer.status_code)


@pytest.mark.parametrize("path", ("/messages", "/jobs"))
def test_a_json_body_over_64_kib_is_413(app: App, path: str):
    for body in (b" " * (JSON_LIMIT + 1), b'{"author":"' + b"a" * JSON_LIMIT + b'"}', b"x" * MIB):
        assert_error(app.post(path, content=body), 413)


@pytest.mark.asks("/messages")
def test_an_idempotency_key_that_is_no_uuid_is_422(app: App):
    for key in ("", "1", "abc", "{" + UUID + "}", "0" * 32, UUID[:-1] + "g"):
        answer = app.post("/messages", json={"author": "ada", "text": "x"}, headers={"Idempotency-Key": key})

        assert (key, answer.status_code) == (key, 422)


def test_what_the_client_sent_is_not_repeated_in_the_error(app: App):
    marker = "d1b7c0ffee"

    assert marker not in app.get(f"/wait?ms={marker}").text
    assert marker not in app.get(f"/{marker}").text


@pytest.mark.asks("/jobs")
def test_what_stood_in_a_body_is_not_repeated_in_the_error(app: App):
    assert "d1b7c0ffee" not in app.post("/jobs", json={"ms": "d1b7c0ffee"}).text
