"""Strict-Transport-Security: see promise.md."""

import pytest

from tests import tls
from tests.config.edge import Outside
from tests.promises.conftest import Mutated

NAMES = ("shop.test", "localhost", "app.localhost", "127.0.0.1", "[::1]")
TWO_YEARS = ["max-age=63072000"]
EXPECTED = {name: TWO_YEARS if name == "shop.test" else [] for name in NAMES}
PATHS = ("/", "/healthz", "/none", "/static/none", "/flask/json")  # pages, and answers of every origin


def holds(front: Outside) -> None:
    for host, expected in EXPECTED.items():
        for path in PATHS:
            assert over_tls(front, path, host) == expected, f"https://{host}{path}"
            assert said(front.ask(path, host=host).raw) == [], f"http://{host}{path}"


def over_tls(front: Outside, path: str, host: str) -> list[str]:
    name = host if host[-1].isalpha() else None  # an address is not asked for in a handshake
    return said(tls.ask(front, path, host=host, name=name).raw)


def said(answer: bytes) -> list[str]:
    lines = answer.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")
    assert answer, "closed unanswered"
    return [line.partition(": ")[2] for line in lines if line.lower().startswith("strict-transport-security:")]


def production(mutated: Mutated, *mutation: str, **changed: object):
    """As STAGE=production says it, without the redirect."""
    return mutated(*mutation, listen_tls=tls.port(), hsts=True, server_names=NAMES, **changed)


def test_browsers_are_told_to_stay_with_tls_but_not_for_names_that_everybody_has(mutated: Mutated) -> None:
    with production(mutated) as edge_:
        holds(edge_)


def test_nothing_is_said_where_it_is_off(mutated: Mutated) -> None:
    with mutated(listen_tls=tls.port(), server_names=NAMES) as edge_:
        assert over_tls(edge_, "/", "shop.test") == []


@pytest.mark.parametrize(("trusted", "expected"), [(("127.0.0.1/32",), TWO_YEARS), ((), [])])
def test_tls_in_front_of_a_trusted_proxy_counts_and_nobody_else_s_word(
    mutated: Mutated, trusted: tuple[str, ...], expected: list[str]
) -> None:
    with production(mutated, trusted_proxies=trusted) as edge_:
        answer = edge_.ask("/", "X-Forwarded-Proto: https", host="shop.test")

    assert said(answer.raw) == expected


FILE = "templates/snippets/https.conf.template"
MUTATIONS = [
    (FILE, 'localhost                  "";', ""),
    (FILE, '"~\\.localhost$"            "";', ""),
    (FILE, '"~^\\d+\\.\\d+\\.\\d+\\.\\d+$"    "";', ""),
    (FILE, '"~^\\["                     "";', ""),
    (FILE, "https   $hsts_host;", "https $hsts_host; http $hsts_host;"),
    ("snippets/response-headers.conf", "$hsts               always", "$hsts"),
    ("snippets/proxy.conf", "proxy_set_header Host", "add_header X-Mine 1; proxy_set_header Host"),
]


@pytest.mark.full
@pytest.mark.parametrize(("file", "good", "bad"), MUTATIONS)
def test_an_edge_that_says_it_elsewhere_or_not_always_is_caught(
    mutated: Mutated, file: str, good: str, bad: str
) -> None:
    with production(mutated, file, good, bad) as edge_, pytest.raises(AssertionError):
        holds(edge_)
