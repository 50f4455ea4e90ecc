"""The signed cookie; the same in process and behind the edge."""

from http.cookies import Morsel, SimpleCookie

import pytest

from tests.apps import App

pytestmark = pytest.mark.asks("/session")
FORGED = ("", "x", "1", "eyJ2aXNpdHMiOjl9", "eyJ2aXNpdHMiOjl9.AAAAAAAAAAAAAAAAAAAAAAAAAAA", "a.b.c", "%00", "." * 300)


def visit(app: App, **headers: str) -> tuple[int, Morsel]:
    answer = app.post("/session", headers=headers)
    assert answer.status_code == 200, answer.text
    (morsel,) = SimpleCookie(answer.headers["set-cookie"]).values()
    return answer.json()["visits"], morsel


def visits(app: App, cookie: str) -> int:
    answer = app.get("/session", headers={"Cookie": cookie})
    assert answer.status_code == 200, answer.text
    return answer.json()["visits"]


@pytest.fixture(autouse=True)
def forget(app: App):
    """No cookie jar: each test sends the cookies it names."""
    yield
    getattr(app.http, "cookies", {}).clear()


def test_a_first_visit_counts_one_and_reading_counts_none(app: App):
    assert app.get("/session").json() == {"visits": 0}

    count, cookie = visit(app)

    assert count == 1
    assert visits(app, f"{cookie.key}={cookie.value}") == 1
    assert visits(app, f"{cookie.key}={cookie.value}") == 1


def test_every_visit_adds_one(app: App):
    _, cookie = visit(app)
    for expected in (2, 3, 4):
        count, cookie = visit(app, Cookie=f"{cookie.key}={cookie.value}")

        assert count == expected


def test_the_cookie_is_for_this_service_only_and_not_for_scripts(app: App):
    _, cookie = visit(app)

    assert cookie["path"] == f"/{app.name}/"
    assert cookie["httponly"] is True
    assert cookie["samesite"] == "Lax"
    assert cookie["domain"] == ""


def test_the_cookie_is_not_secure_over_http_whatever_a_client_claims(app: App):
    _, cookie = visit(app)

    assert cookie["secure"] == ""


def test_reading_sets_no_cookie(app: App):
    assert "set-cookie" not in app.get("/session").headers


def test_a_forged_cookie_counts_as_none(app: App):
    _, cookie = visit(app)
    value, name = cookie.value, cookie.key
    changed = ("A" if value[0] != "A" else "B") + value[1:]
    last = value[:-6] + ("A" if value[-6] != "A" else "B") + value[-5:]

    for forged in (*FORGED, changed, last, value + "x", value[:-1], value.swapcase()):
        assert (forged, visits(app, f"{name}={forged}")) == (forged, 0)
