"""The example that protects a path by asking a service, copied as its first lines say."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.config.edge import Answer, Running, copy_of_source, replicas, running
from tests.waiting import until

EXAMPLE = Path("examples", "members.conf")
ADA = "Cookie: member=ada"
LONG = "Authorization: Bearer " + "a" * 8000


@pytest.fixture
def members(nginx: Path, tmp_path: Path):
    """`with members("good", "bad") as edge_:` the example, maybe broken, as a user's own file."""

    @contextmanager
    def made(good: str = "", bad: str = "") -> Iterator[Running]:
        source = copy_of_source(tmp_path)
        text = (source / EXAMPLE).read_text()
        assert good in text, f"the example does not hold {good!r} (any more)"
        with replicas("flask-1", "service") as (application, service):
            own = text.replace(good, bad) if good else text
            (source / "local" / EXAMPLE.name).write_text(own.replace("127.0.0.1:9000", service.address))
            with running(
                tmp_path, nginx, hurry=True, source=source, upstreams={"flask": (application.address,)}
            ) as edge_:
                edge_.replicas = {"application": application, "service": service}
                yield edge_

    return made


def ask(edge_: Running, *lines: str, path: str = "/members/page", **words) -> Answer:
    return edge_.ask(path, *lines, **words)


def holds(edge_: Running) -> None:
    members_enter(edge_)
    others_do_not(edge_)
    assert ask(edge_, ADA, path="/_member").status == 404
    edge_.replicas["service"].shutdown()
    edge_.replicas["service"].server_close()
    gone = ask(edge_, ADA, path="/members/never-seen")
    assert (gone.status, gone.count("Retry-After")) == (503, 1)


def members_enter(edge_: Running) -> None:
    answer = ask(edge_, ADA, "X-User: root")
    assert answer.status == 200
    assert (answer.json["path"], answer.seen.get("x-user")) == ("/page", "ada")
    assert answer.seen["x-forwarded-prefix"] == "/members"
    sent = ask(edge_, ADA, path="/members/echo", method="POST", body=b"a" * 200_000)
    assert sent.status == 200
    assert sent.json["bytes"] == 200_000


def others_do_not(edge_: Running) -> None:
    before = len(edge_.replicas["application"].requests)
    unknown, banned = ask(edge_), ask(edge_, "Cookie: member=banned")
    assert (unknown.status, unknown.headers.get("www-authenticate")) == (401, 'Form realm="members"')
    assert (unknown.json["error"], banned.status, banned.json["error"]) == ("unauthorized", 403, "forbidden")
    failed = ask(edge_, "Cookie: member=crash")
    assert (failed.status, failed.headers.get("retry-after")) == (503, "2")
    assert failed.json["error"] == "service_unavailable"
    assert len(edge_.replicas["application"].requests) == before, "nobody else reached the application"


def asked(edge_: Running) -> int:
    return len(edge_.replicas["service"].requests)


def is_asked_once_in_a_while(edge_: Running) -> None:
    assert {ask(edge_, ADA, LONG).seen.get("x-user") for _ in range(5)} == {"ada"}
    assert asked(edge_) == 1
    ask(edge_, ADA, LONG, path="/members/other")
    assert asked(edge_) == 2, "another page, another question"


def a_member_who_was_shut_out_stays_out(edge_: Running) -> None:
    """The service is gone: what it allowed is over after 5 s."""
    assert ask(edge_, ADA).status == 200
    edge_.replicas["service"].shutdown()
    edge_.replicas["service"].server_close()
    assert ask(edge_, ADA).status == 200
    assert until(lambda: ask(edge_, ADA).status == 503, seconds=8, every=0.5)


MUTATIONS = [
    ("    auth_request /_member;", ""),
    ("    proxy_set_header X-User             $member;", ""),
    ('    proxy_set_header Content-Length    "";', ""),
    (" $http_cookie", ""),
    ("    error_page 500 =503 $error_page;", ""),
    ("    internal;", ""),
]


def test_who_is_known_enters_and_nobody_else(members) -> None:
    with members() as edge_:
        holds(edge_)


def test_the_service_is_asked_once_in_a_while(members) -> None:
    with members() as edge_:
        is_asked_once_in_a_while(edge_)


@pytest.mark.full
def test_an_old_permission_ends_with_the_service(members) -> None:
    with members() as edge_:
        a_member_who_was_shut_out_stays_out(edge_)


@pytest.mark.full
@pytest.mark.parametrize(("good", "bad"), MUTATIONS)
def test_a_broken_example_is_caught(members, good: str, bad: str) -> None:
    with members(good, bad) as edge_, pytest.raises(AssertionError):
        holds(edge_)


@pytest.mark.full
@pytest.mark.parametrize("lost", ["    proxy_cache answers;", "    proxy_buffer_size 16k;"])
def test_asking_each_time_is_caught(members, lost: str) -> None:
    with members(lost, "") as edge_, pytest.raises(AssertionError):
        is_asked_once_in_a_while(edge_)


@pytest.mark.full
def test_an_old_permission_that_is_kept_is_caught(members) -> None:
    with members("proxy_cache_use_stale off;", "") as edge_, pytest.raises(AssertionError):
        a_member_who_was_shut_out_stays_out(edge_)
