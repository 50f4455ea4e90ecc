"""How numbers in a query string are read; the same in process and behind the edge."""

import pytest

from tests.apps import App
from tests.contract import LARGEST, assert_error

# Everything int() or a framework would take and the contract does not, and what nobody should take.
NOT_NUMBERS = ["", "+5", "%2B5", "-0", "-1", "1_0", "%D9%A3", "%EF%BC%95", "%C2%B2", "%E0%A5%A7", "%205", "5%20", "5%0A",
               "%0A5", "5%09", "5%00", "0x5", "0b1", "5.0", "1e1", "NaN", "inf", "true", "null", "5,5", "5;ms=5", "%ff",
               "%zz", "5%", "'5'", "9" * 5000]  # fmt: skip
# Path with one number missing its value -> the largest the contract takes.
NUMBERS = {
    "/cpu?ms=": 1000,
    "/wait?ms=": 30_000,
    "/query?n=": 500,
    "/messages?after=": LARGEST,
    "/messages?limit=": 500,
    "/poll?timeout=0&after=": LARGEST,
    "/poll?timeout=": 25,
    "/stream?ms=0&chunks=": 1000,
    "/stream?chunks=1&ms=": 1000,
}
FROM_ONE = ("/query?n=", "/messages?limit=", "/stream?ms=0&chunks=")


@pytest.mark.parametrize("path", NUMBERS)
def test_what_is_not_ascii_digits_is_422(app: App, path: str):
    for text in NOT_NUMBERS:
        answer = app.get(path + text)

        assert (text, answer.status_code) == (text, 422)
        assert_error(answer, 422)


@pytest.mark.parametrize(("path", "largest"), NUMBERS.items())
def test_a_number_out_of_range_is_422_and_nothing_is_done(app: App, path: str, largest: int):
    for number in [largest + 1, 2**63, 2**64, 10**30, *([0] if path in FROM_ONE else [])]:
        assert_error(app.get(f"{path}{number}"), 422)


@pytest.mark.parametrize("path", NUMBERS)
def test_a_repeated_parameter_is_422(app: App, path: str):
    name = path.replace("&", "?").rpartition("?")[2]

    assert_error(app.get(f"{path}1&{name}1"), 422)
    assert_error(app.get(f"{path}1&{name}2"), 422)


@pytest.mark.parametrize("text", ("5", "%35", "005", "0" * 300 + "5"))
def test_ascii_digits_are_a_number_however_they_are_written(app: App, text: str):
    answer = app.get(f"/wait?ms={text}")

    assert (answer.status_code, answer.json()) == (200, {"ms": 5})


def test_a_name_may_be_percent_encoded(app: App):
    assert app.get("/wait?%6Ds=3").json() == {"ms": 3}


def test_a_missing_parameter_takes_its_default(app: App):
    assert app.get("/cpu").json() == {"ms": 10}
    assert app.get("/wait").json() == {"ms": 100}
    assert len(app.get("/stream?ms=0").text.splitlines()) == 10


@pytest.mark.parametrize("query", ("x=1", "x=1&x=2", "MS=9", "ms%5B%5D=9", "x=%ff", "x", "&&", "=", "ms+=9"))
def test_an_unknown_parameter_is_ignored(app: App, query: str):
    assert app.get(f"/wait?ms=1&{query}").json() == {"ms": 1}


def test_any_number_of_unknown_parameters_is_ignored(app: App):
    assert app.get("/wait?ms=1" + "&x" * 1500).json() == {"ms": 1}


def test_zero_and_the_largest_are_within_range(app: App):
    assert app.get("/wait?ms=0").json() == {"ms": 0}
    assert app.get("/cpu?ms=0").json() == {"ms": 0}
    assert len(app.get("/stream?chunks=1000&ms=0").text.splitlines()) == 1000


@pytest.mark.parametrize("query", ("chunks=1000&ms=31", "chunks=31&ms=1000", "chunks=601"))
def test_a_stream_of_more_than_30_seconds_is_422(app: App, query: str):
    assert_error(app.get(f"/stream?{query}"), 422)


@pytest.mark.parametrize("how", ("await", "thread", "block"))
def test_asgi_waits_in_three_ways_and_wsgi_knows_none(app: App, how: str):
    assert app.get(f"/wait?ms=1&how={how}").json() == {"ms": 1}


@pytest.mark.parametrize("query", ("how=sleep", "how=", "how=AWAIT", "how=await&how=await", "how=%00"))
def test_another_way_to_wait_is_422_under_asgi_and_ignored_under_wsgi(app: App, query: str):
    assert app.get(f"/wait?ms=1&{query}").status_code == (422 if app.is_asgi else 200)
