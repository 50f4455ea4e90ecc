"""Messages: one table behind every application, in id order, each stored once."""

import json
import re
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest

from tests.apps import App
from tests.contract import ISO_UTC, NAMES, assert_error
from tests.engine import Stack

JSON_LIMIT = 64 * 1024
MESSAGE = {"author": "ada", "text": "hello"}


def post(app: App, key: str | None = None, **fields: object):
    headers = {"Idempotency-Key": key} if key else {}
    return app.post("/messages", json={**MESSAGE, **fields}, headers=headers)


def test_a_message_is_stored_and_given_back_with_its_row(app: App, stack: Stack):
    answer = post(app, text="a row")
    row = answer.json()

    assert answer.status_code == 201
    assert set(row) == {"id", "author", "text", "at", "replica"}
    assert (row["author"], row["text"]) == ("ada", "a row")
    assert type(row["id"]) is int and row["id"] > 0
    assert row["replica"] == answer.headers["x-served-by"].split("/")[1]
    assert app.messages(row["id"] - 1)[0] == row


def test_the_time_is_utc_and_now(app: App):
    at = app.say()["at"]

    assert ISO_UTC.fullmatch(at)
    assert abs((datetime.now(UTC) - datetime.fromisoformat(at)).total_seconds()) < 30


def test_every_application_shows_what_any_has_stored(app: App, apps: dict[str, App]):
    row = app.say("for all")

    for other in apps.values():
        assert other.messages(row["id"] - 1)[0] == row


@pytest.mark.parametrize("character", ("a", "é", "€", "\U0001f600"))
def test_length_is_counted_in_characters(app: App, character: str):
    row = app.say(character * 2000, author=character * 80)

    assert (row["author"], row["text"]) == (character * 80, character * 2000)


@pytest.mark.parametrize(
    "text", (" ", "\n\t", "'; DROP --", "%s %(a)s {}", "<script>", "\u2028", "\x01", "\ufeff", "e\u0301")
)
def test_text_is_stored_as_it_was_sent(app: App, text: str):
    row = app.say(text, author=text)

    assert (row["author"], row["text"]) == (text, text)
    assert app.messages(row["id"] - 1)[0]["text"] == text


def test_a_surrogate_pair_is_one_character(app: App):
    answer = app.post("/messages", content=b'{"author":"ada","text":"' + b"\\ud83d\\ude00" * 2000 + b'"}')

    assert (answer.status_code, answer.json()["text"]) == (201, "\U0001f600" * 2000)


def test_a_body_of_exactly_64_kib_is_taken(app: App):
    body = json.dumps(MESSAGE).encode()

    assert app.post("/messages", content=body + b" " * (JSON_LIMIT - len(body))).status_code == 201


def test_an_unknown_field_is_ignored(app: App):
    assert post(app, extra=[1]).status_code == 201


def test_a_refused_message_is_not_stored(app: App):
    before = app.newest()
    for fields in ({"text": ""}, {"text": "x" * 2001}, {"author": 1}):
        assert_error(post(app, **fields), 422)

    assert app.messages(before) == [] or "x" * 2001 not in {row["text"] for row in app.messages(before)}


def test_reading_is_after_ascending_and_at_most_limit(app: App):
    before = app.newest()
    ids = [app.say(f"page {number}")["id"] for number in range(4)]

    assert ids == sorted(ids)
    assert [row["id"] for row in app.messages(before, limit=3)] == ids[:3]
    assert [row["id"] for row in app.messages(ids[1])] == ids[2:]
    assert app.messages(ids[-1]) == []
    assert app.messages(2**63 - 1) == []
    assert len(app.get("/messages").json()["messages"]) <= 50
    assert app.get("/messages").json()["messages"][0]["id"] < ids[0]


def test_a_repeated_key_gives_the_same_row_and_stores_nothing(app: App):
    key = str(uuid.uuid4())
    first, second = post(app, key), post(app, key)

    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json() == second.json()
    assert [row["id"] for row in app.messages(first.json()["id"] - 1)].count(first.json()["id"]) == 1
    assert app.messages(first.json()["id"]) == []


def test_a_key_counts_across_all_applications(app: App, apps: dict[str, App]):
    key = str(uuid.uuid4())
    rows = [post(each, key) for each in (app, *apps.values())]

    assert {answer.status_code for answer in rows} == {201}
    assert len({json.dumps(answer.json(), sort_keys=True) for answer in rows}) == 1


def test_a_key_is_the_same_in_capitals(app: App):
    key = str(uuid.uuid4())

    assert post(app, key.lower()).json() == post(app, key.upper()).json()


def test_a_key_with_another_message_is_422(app: App, apps: dict[str, App]):
    key = str(uuid.uuid4())
    stored = post(app, key).json()
    for other in apps.values():
        assert_error(post(other, key, text="another"), 422)
        assert_error(post(other, key, author="bob"), 422)

    assert post(app, key).json() == stored


def test_a_refused_message_does_not_use_up_its_key(app: App):
    key = str(uuid.uuid4())

    assert_error(post(app, key, text=""), 422)
    assert post(app, key).status_code == 201


def test_a_key_used_at_the_same_time_everywhere_stores_one_message(apps: dict[str, App]):
    for _ in range(5):
        key = str(uuid.uuid4())
        with ThreadPoolExecutor(12) as pool:
            answers = list(pool.map(post, [apps[name] for name in NAMES * 3], [key] * 12))

        assert {answer.status_code for answer in answers} == {201}
        assert len({answer.json()["id"] for answer in answers}) == 1


def test_ids_become_visible_in_their_order(apps: dict[str, App]):
    """A reader that always asks for what is after the last id it has seen misses nothing, however many write."""
    before, each = apps["flask"].newest(), 30
    with ThreadPoolExecutor(9) as pool:
        writers = [pool.submit(write, apps[name], each) for name in NAMES * 2]
        reader = pool.submit(follow, apps["fastapi"], before, each * len(writers))
        written = {number for writer in writers for number in writer.result()}

        assert reader.result() == sorted(written)


def write(app: App, count: int) -> list[int]:
    return [app.say(f"order {number}")["id"] for number in range(count)]


def follow(app: App, last: int, count: int) -> list[int]:
    seen: list[int] = []
    while len(seen) < count:
        answer = app.get(f"/poll?after={last}&timeout=5")
        assert answer.status_code == 200, f"{count - len(seen)} of {count} messages were never seen"
        seen += [row["id"] for row in answer.json()["messages"]]
        last = seen[-1]
    return seen


def test_a_session_has_nothing_left_to_say_when_the_statement_is_done(app: App, stack: Stack):
    """A replica that hangs before it says COMMIT would hold the lock that every writer of every replica waits for."""
    app.say("stored")
    like = f"application_name LIKE '{app.name}/%'"
    last = stack.psql(f"SELECT query FROM pg_stat_activity WHERE {like}").strip()

    assert "INSERT INTO messages" in last
    assert not re.search(r"^\s*(COMMIT|BEGIN)", last, re.IGNORECASE | re.MULTILINE), last
