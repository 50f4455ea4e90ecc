"""What is kept, for whom, and what the client is told: see promise.md."""

import select
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests import wire
from tests.config.edge import Outside, Repeat, Running, replicas, running
from tests.promises.cache.application import FOR_LONG, Application, application, kept, say, twice
from tests.waiting import until

FROM_TLS = "X-Forwarded-Proto: https"  # the edges here trust who sends this
ONE_TIME = [None, None]
AGAIN = ["MISS", "HIT"]

# Answer -> whether it is kept. (The tests' own limit: 31,999 bytes.)
SAID: dict[str, tuple[bool, dict]] = {
    "s-maxage": (True, {}),
    "redirect": (True, {"status": 301, "Location": "/elsewhere"}),
    "the largest": (True, {"body": b"x" * 31_999}),
    "larger": (False, {"body": b"x" * 32_000}),
    "nothing": (False, {"cache_control": "public"}),
    "max-age": (False, {"cache_control": "max-age=60"}),
    "s-maxage of none": (False, {"cache_control": "s-maxage=0, max-age=60"}),
    "private": (False, {"cache_control": "private, s-maxage=60"}),
    "no-store": (False, {"cache_control": "s-maxage=60, No-Store"}),
    "no-cache": (False, {"cache_control": "no-cache, s-maxage=60"}),
    "nginx's own word": (False, {"cache_control": "max-age=60", "X_Accel_Expires": "60"}),
    "a session": (False, {"Set_Cookie": "session=1"}),
    "Vary: *": (False, {"Vary": "*"}),
    "Vary: * and more": (False, {"Vary": "Accept, *"}),
    "not found": (False, {"status": 404}),
    "gone": (False, {"status": 410}),
    "error": (False, {"status": 500}),
    "a redirect for now": (False, {"status": 302, "Location": "/elsewhere"}),
    "a part": (False, {"status": 206, "Content_Range": "bytes 0-4/9"}),
}

# Requests for an answer that may be kept.
PAST_THE_CACHE = {
    "password": ("Authorization: Basic eDp5",),
    "part": ("Range: bytes=0-1",),
    "other protocol": ("Upgrade: websocket", "Connection: upgrade"),
    "condition": ('If-Match: "1"',),
    "another condition": ("If-Unmodified-Since: Sat, 21 Nov 2026 00:00:00 GMT",),
    "body": ("Content-Length: 0",),
    "body without end": ("Transfer-Encoding: chunked", "", "0", ""),
}


@pytest.fixture(scope="module")
def edge_(nginx: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with replicas("flask-1", "flask-2") as stubs:
        members = {"flask": tuple(each.address for each in stubs)}
        with running(tmp_path_factory.mktemp("edge"), nginx, upstreams=members, **TRUSTED) as started:
            started.replicas = {each.name: each for each in stubs}
            yield started


TRUSTED = {"trusted_proxies": ("127.0.0.1/32",)}


def only_what_says_so_is_kept(edge_: Running, app: Application, said: str) -> None:
    is_kept, words = SAID[said]
    app.says(**{"cache_control": FOR_LONG} | words)

    assert twice(edge_, f"/flask/said?{said.replace(' ', '-')}") == (AGAIN if is_kept else ONE_TIME)


def an_answer_of_unknown_size_is_not_kept(edge_: Running, app: Application) -> None:
    def chunked(request: Repeat) -> None:
        begin(request, "Transfer-Encoding", "chunked")
        request.wfile.write(b"5\r\nfirst\r\n0\r\n\r\n")

    say(edge_, chunked)

    assert twice(edge_, "/flask/said?unsized") == ONE_TIME


def an_answer_that_was_cut_is_not_kept(edge_: Running, app: Application) -> None:
    def cut(request: Repeat) -> None:
        begin(request, "Content-Length", "9")
        request.wfile.write(b"first")
        request.close_connection = True

    say(edge_, cut)
    edge_.ask("/flask/said?cut")
    say(edge_, app)

    assert kept(edge_.ask("/flask/said?cut")) == "MISS"
    assert kept(edge_.ask("/flask/said?cut")) == "HIT"


def begin(request: Repeat, name: str, value: str) -> None:
    request.send_response(200)
    request.send_header("Cache-Control", FOR_LONG)
    request.send_header(name, value)
    request.end_headers()


def some_requests_never_meet_the_cache(edge_: Running, app: Application, sent: str) -> None:
    path = f"/flask/said?sent-{sent.replace(' ', '-')}"

    assert twice(edge_, path, *PAST_THE_CACHE[sent]) == ["BYPASS", "BYPASS"]
    assert (kept(edge_.ask(path)), len(app.asked)) == ("MISS", 3)


def each_address_has_an_answer_of_its_own(edge_: Running, app: Application) -> None:
    app.says(FOR_LONG, b"")
    different = [
        edge_.ask("/flask/said?own"),
        edge_.ask("/flask/said?own", host="nginx"),
        edge_.ask("/flask/said?own", host="localhost:81"),
        edge_.ask("/flask/said?own", FROM_TLS),
        edge_.ask("/flask/said?own", method="HEAD"),
        edge_.ask("/flask/said?own2"),
    ]

    assert [kept(answer) for answer in different] == ["MISS"] * len(different)


def languages_stay_apart(edge_: Running, app: Application) -> None:
    app.says(FOR_LONG, Vary="Accept-Language, Cookie")
    languages = ["en", "pt", "en", "pt", "en\r\nCookie: a=1"]
    answers = [edge_.ask("/flask/said?language", f"Accept-Language: {each}") for each in languages]

    assert [kept(answer) for answer in answers] == ["MISS", "MISS", "HIT", "HIT", "MISS"]


def a_head_has_no_body_and_the_size_of_one(edge_: Running, app: Application) -> None:
    answers = [edge_.ask("/flask/said?head", method="HEAD") for _ in range(2)]

    assert [(kept(each), each.headers["content-length"], each.body) for each in answers] == [
        ("MISS", "5", b""),
        ("HIT", "5", b""),
    ]
    assert [asked.command for asked in app.asked] == ["HEAD"]


def the_log_knows_what_became_of_it(edge_: Running, app: Application) -> None:
    answers = [edge_.ask("/flask/said?log") for _ in range(2)]
    ids = [answer.headers["x-request-id"] for answer in answers]

    assert [edge_.log(each)["cache"] for each in ids] == AGAIN
    assert ids[0] != ids[1]
    assert [answer.count("X-Request-ID") for answer in answers] == [1, 1]


def a_long_address_is_answered_all_the_same(edge_: Running, app: Application) -> None:
    app.says(FOR_LONG, X_Long="x" * 4000)
    lengths = range(900, 8100, 200)
    answers = [edge_.ask("/flask/said?" + "x" * length) for length in lengths]

    assert [answer.status for answer in answers] == [200] * len(lengths)


def a_condition_reaches_an_application_that_keeps_nothing(edge_: Running, app: Application) -> None:
    app.says("private", ETag='"1"')
    answer = edge_.ask("/flask/said?private", 'If-None-Match: "1"')

    assert (answer.status, kept(answer), answer.body) == (304, None, b"")


def a_condition_is_answered_from_the_cache(edge_: Running, app: Application) -> None:
    app.says(FOR_LONG, ETag='"1"')
    edge_.ask("/flask/said?condition")
    same, other = (edge_.ask("/flask/said?condition", f"If-None-Match: {tag}") for tag in ('"1"', '"2"'))

    assert [(each.status, kept(each)) for each in (same, other)] == [(304, "HIT"), (200, "HIT")]
    assert len(app.asked) == 1


def a_long_poll_ends_when_its_client_leaves(edge_: Running, app: Application) -> None:
    left = threading.Event()

    def wait(request: Repeat) -> None:
        app.asked.append(request)
        if select.select([request.connection], [], [], 2)[0]:
            left.set()
        request.close_connection = True

    say(edge_, wait)
    with wire.connection(edge_.address) as client:
        client.sendall(wire.request("GET /flask/poll HTTP/1.1"))
        until(lambda: app.asked)

    assert left.wait(0.5)


PROMISES: list[Callable] = [
    a_long_poll_ends_when_its_client_leaves,
    an_answer_of_unknown_size_is_not_kept,
    an_answer_that_was_cut_is_not_kept,
    each_address_has_an_answer_of_its_own,
    languages_stay_apart,
    a_head_has_no_body_and_the_size_of_one,
    the_log_knows_what_became_of_it,
    a_long_address_is_answered_all_the_same,
    a_condition_reaches_an_application_that_keeps_nothing,
    a_condition_is_answered_from_the_cache,
]


@pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: promise.__name__)
def test_promise(edge_: Running, promise: Callable) -> None:
    with application(edge_) as app:
        promise(edge_, app)


@pytest.mark.parametrize("said", SAID)
def test_only_what_says_so_is_kept(edge_: Running, said: str) -> None:
    with application(edge_) as app:
        only_what_says_so_is_kept(edge_, app, said)


@pytest.mark.parametrize("sent", PAST_THE_CACHE)
def test_some_requests_never_meet_the_cache(edge_: Running, sent: str) -> None:
    with application(edge_) as app:
        some_requests_never_meet_the_cache(edge_, app, sent)


def test_a_new_release_begins_with_an_empty_cache(nginx: Path, tmp_path: Path) -> None:
    seen = []
    with replicas("flask-1", "flask-2") as stubs:
        for release in ("one", "two", "two"):
            with running(tmp_path, nginx, upstreams={"flask": [stubs[0].address]}, release=release) as edge_:
                edge_.replicas = {each.name: each for each in stubs}
                with application(edge_):
                    seen.append(kept(edge_.ask("/flask/said")))

    assert seen == ["MISS", "MISS", "HIT"]


def test_an_answer_is_kept_where_another_replica_failed(mutated) -> None:
    with mutated() as edge_, application(edge_):
        gone = edge_.replicas["flask-1"]
        gone.shutdown()
        gone.server_close()
        seen = [twice(edge_, f"/flask/said?{number}") for number in range(4)]

    assert seen == [AGAIN] * 4


def test_an_application_that_says_nothing_is_told_nothing(front: Outside) -> None:
    assert twice(front, "/fastapi/json") + twice(front, "/flask/json") + twice(front, "/") == ONE_TIME * 3
