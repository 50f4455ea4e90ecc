"""Requests of one client a second: what exceeds them is refused, in words, and nobody else notices."""

from collections import Counter

import pytest

from deploy.settings import load
from tests.config.edge import Answer, Outside

ONE_A_SECOND = {
    "rate_limit": 1,
    "trusted_proxies": ("127.0.0.1",),
    "limit_exempt": ("203.0.113.0/24", "2001:db8:9::/48"),
}
FAST = {**ONE_A_SECOND, "rate_limit": 50}
API, PAGE, SOCKET = "/flask/json", "/robots.txt", "/fastapi/events"
# One and a burst of two; a slow machine gives time for one more.
PASSED = {3, 4}


def ask(edge_: Outside, client: str, path: str = API, **words: str) -> Answer:
    return edge_.ask(path, f"X-Forwarded-For: {client}", **words)


def passed(edge_: Outside, client: str, path: str = API, **words: str) -> int:
    """How many of eight are answered; the others are 429."""
    seen = Counter(ask(edge_, client, path, **words).status for _ in range(8))
    assert seen.keys() <= {200, 429}, seen
    return seen[200]


def holds(edge_: Outside) -> None:
    assert passed(edge_, "198.51.100.1") in PASSED
    refused = ask(edge_, "198.51.100.1")
    assert (refused.status, refused.headers.get("retry-after"), refused.count("Retry-After")) == (429, "2", 1)
    assert (refused.json.keys(), refused.json["error"]) == ({"error", "detail", "request_id"}, "too_many_requests")
    clients_are_told_apart(edge_)
    zones_are_separate(edge_, "198.51.100.1")


def clients_are_told_apart(edge_: Outside) -> None:
    assert ask(edge_, "198.51.100.2").status == 200
    assert passed(edge_, "203.0.113.7") == passed(edge_, "2001:db8:9::1") == 8, "LIMIT_EXEMPT"
    assert passed(edge_, "2001:db8:1:2::1") in PASSED
    assert ask(edge_, "2001:db8:1:2:ffff::9").status == 429, "the same /64"
    assert ask(edge_, "2001:db8:1:3::1").status == 200, "the next /64"
    assert passed(edge_, "::ffff:198.51.100.8") in PASSED
    assert ask(edge_, "::ffff:198.51.100.9").status == 200, "IPv4 written as IPv6"


def zones_are_separate(edge_: Outside, refused: str) -> None:
    """Who may ask the applications no more may still look at pages and keep its socket."""
    assert ask(edge_, refused, PAGE).status == 200
    assert ask(edge_, refused, SOCKET).status == 200
    assert passed(edge_, "198.51.100.3", PAGE) in {3, 4, 5, 6}
    assert passed(edge_, "198.51.100.4", SOCKET) == 6, "five sockets of a page that comes back, and one"
    assert ask(edge_, "198.51.100.4").status == 200


def logins_are_slower(edge_: Outside) -> None:
    client = "198.51.100.5"
    assert passed(edge_, client, "/flask/session", method="POST") in {6, 7}
    assert ask(edge_, client, "/flask/session").status == 200, "to read a session is no login"
    assert passed(edge_, client) == 8


MUTATIONS = [
    ("templates/features/api/rate_limit.conf.template", "limit_req zone=api", "# limit_req zone=api"),
    ("templates/features/api/rate_limit.conf.template", " nodelay", ""),
    ("templates/features/pages/rate_limit.conf.template", "zone=pages", "zone=api"),
    ("templates/features/sockets/rate_limit.conf.template", "zone=sockets", "zone=api"),
    ("templates/snippets/limits.conf.template", "limit_req_status  429", "limit_req_status  503"),
    (
        "templates/snippets/limits.conf.template",
        '    default "";  # an empty',
        "    default $client_network;  # an empty",
    ),
    ("templates/snippets/limits.conf.template", "0       $client_network;", "0       everybody;"),
    ("templates/snippets/limits.conf.template", "(?s:.){8})", "(?s:.){16})"),
    ("templates/snippets/limits.conf.template", "128.0.0.0/1 0;", "128.0.0.0/1 1;"),
    ("snippets/errors.conf", "    429     $own_retry_after;", ""),
]


def test_a_client_that_asks_too_often_is_told_to_wait(mutated) -> None:
    with mutated(**ONE_A_SECOND) as edge_:
        holds(edge_)


def test_logins_are_counted_apart_and_slowly(mutated) -> None:
    with mutated(**FAST) as edge_:
        logins_are_slower(edge_)


def test_nothing_is_counted_unless_asked_for(front: Outside) -> None:
    assert {front.ask(path).status for path in (API, PAGE) for _ in range(50)} == {200}


def test_it_is_on_in_production_and_off_locally() -> None:
    assert (load({}, {}).rate_limit, load({"STAGE": "production"}, {}).rate_limit) == (0, 50)


@pytest.mark.full
@pytest.mark.parametrize(("file", "good", "bad"), MUTATIONS)
def test_a_broken_limit_is_caught(mutated, file: str, good: str, bad: str) -> None:
    with mutated(file, good, bad, **ONE_A_SECOND) as edge_, pytest.raises(AssertionError):
        holds(edge_)


@pytest.mark.full
def test_logins_that_are_not_counted_are_caught(mutated) -> None:
    broken = ("templates/features/api/rate_limit.conf.template", "limit_req zone=login", "# limit_req zone=login")
    with mutated(*broken, **FAST) as edge_, pytest.raises(AssertionError):
        logins_are_slower(edge_)
