"""The cache with one thing broken: each is caught."""

from collections.abc import Callable

import pytest

from tests.promises.cache.application import application
from tests.promises.cache.test_cache import (
    TRUSTED,
    a_condition_reaches_an_application_that_keeps_nothing,
    a_head_has_no_body_and_the_size_of_one,
    a_long_address_is_answered_all_the_same,
    a_long_poll_ends_when_its_client_leaves,
    each_address_has_an_answer_of_its_own,
    languages_stay_apart,
    only_what_says_so_is_kept,
    some_requests_never_meet_the_cache,
    the_log_knows_what_became_of_it,
)
from tests.promises.conftest import Mutated

CACHE = "templates/snippets/cache.conf.template"
CACHED = "snippets/cached.conf"
LOG = "templates/snippets/log.conf.template"
PROXY = "snippets/proxy.conf"
pytestmark = pytest.mark.full

# What holds -> the same with one thing broken.
MUTATIONS: list[tuple[Callable, str, str, str]] = [
    (each_address_has_an_answer_of_its_own, CACHE, "$request_method $client", "$client"),
    (each_address_has_an_answer_of_its_own, CACHE, "$client_scheme://$host", "$host"),
    (each_address_has_an_answer_of_its_own, CACHE, '$host$colon_port$request_uri"', '$request_uri"'),
    (each_address_has_an_answer_of_its_own, CACHE, '$host$colon_port$request_uri"', '$host$request_uri"'),
    (each_address_has_an_answer_of_its_own, CACHE, '$colon_port$request_uri"', '$colon_port$uri"'),
    (languages_stay_apart, CACHED, "proxy_no_cache", "proxy_ignore_headers Vary; proxy_no_cache"),
    (a_long_poll_ends_when_its_client_leaves, CACHE, "    /flask/poll       1;", ""),
    (a_head_has_no_body_and_the_size_of_one, CACHE, "convert_head off", "convert_head on"),
    (the_log_knows_what_became_of_it, LOG, "$cache_result", "$upstream_addr"),
    (the_log_knows_what_became_of_it, PROXY, "proxy_hide_header X-Request-ID;", ""),
    (a_long_address_is_answered_all_the_same, "snippets/proxy.conf", "proxy_buffer_size 16k;", "proxy_buffer_size 8k;"),
    (a_condition_reaches_an_application_that_keeps_nothing, CACHE, "default $http_if_none_match;", ""),
]


@pytest.mark.parametrize(("promise", "file", "good", "bad"), MUTATIONS)
def test_broken_promise_is_caught(mutated: Mutated, promise: Callable, file: str, good: str, bad: str) -> None:
    with mutated(file, good, bad, **TRUSTED) as edge_, application(edge_) as app, pytest.raises(AssertionError):
        promise(edge_, app)


KEPT_ALL_THE_SAME = [
    ("larger", '    default                        1;\n    "~^[0-9]{1,4}$"', '    "~^[0-9]{1,4}$"'),
    ("max-age", 's-maxage=[1-9]"', '(s-max|max-)age=[1-9]"'),
    ("private", '    "~*(no-store|private|no-cache)" 1;\n', ""),
    ("nginx's own word", 's-maxage=[1-9]"', '(s-max|max-)age=[1-9]"'),
    ("a session", "$upstream_http_set_cookie $not_storable", " $not_storable"),
    ("Vary: * and more", '    "~\\*"   1;\n', ""),
    ("not found", "(200|203|301|308)", "(200|203|301|308|404)"),
]


@pytest.mark.parametrize(("said", "good", "bad"), KEPT_ALL_THE_SAME, ids=[each[0] for each in KEPT_ALL_THE_SAME])
def test_keeping_too_much_is_caught(mutated: Mutated, said: str, good: str, bad: str) -> None:
    with mutated(CACHE, good, bad) as edge_, application(edge_) as app, pytest.raises(AssertionError):
        only_what_says_so_is_kept(edge_, app, said)


VARIABLES = {
    "password": "$http_authorization",
    "part": "$http_range",
    "condition": "$http_if_match",
    "another condition": "$http_if_unmodified_since",
    "other protocol": "$http_upgrade",
    "body": "$content_length",
    "body without end": "$content_length",
}


@pytest.mark.parametrize("sent", VARIABLES)
def test_a_request_that_meets_the_cache_is_caught(mutated: Mutated, sent: str) -> None:
    with mutated(CACHE, VARIABLES[sent], "") as edge_, application(edge_) as app, pytest.raises(AssertionError):
        some_requests_never_meet_the_cache(edge_, app, sent)
