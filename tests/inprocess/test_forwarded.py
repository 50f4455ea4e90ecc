"""The middleware of each interface: it believes the edge, and nobody else."""

from collections.abc import Iterator
from http.cookies import SimpleCookie

import pytest

from tests.apps import App
from tests.contract import APPLICATIONS
from tests.inprocess.child import CLIENT, STRANGER, InProcess


@pytest.fixture
def stranger(app: App) -> Iterator[App]:
    """The same application, called from an address that is not in FORWARDED_ALLOW_IPS."""
    http = InProcess(APPLICATIONS[app.name], peer=STRANGER)
    yield App(app.service, http, app.base)
    http.close()


def test_the_edge_is_believed(app: App):
    fields = app.get("/headers").json()

    assert fields["client"] == CLIENT
    assert fields["host"] == "localhost:8080"
    assert (fields["root_path"], fields["path"]) == (f"/{app.name}", f"/{app.name}/headers")
    assert app.get("/json").headers["x-request-id"] == "0" * 31 + "1"


@pytest.mark.asks("/session")
def test_https_at_the_edge_makes_the_cookie_secure(app: App):
    answer = app.post("/session", headers={"X-Forwarded-Proto": "https"})
    (cookie,) = SimpleCookie(answer.headers["set-cookie"]).values()

    assert cookie["secure"] is True
    assert app.get("/headers", headers={"X-Forwarded-Proto": "https"}).json()["scheme"] == "https"


def test_a_stranger_is_not_believed(stranger: App):
    answer = stranger.get("/headers", headers={"X-Forwarded-Proto": "https"})
    fields = answer.json()

    assert fields["client"] == STRANGER
    assert fields["scheme"] == "http"
    assert (fields["root_path"], fields["path"]) == ("", "/headers")
    assert fields["host"] == "localhost:8080"
    assert answer.headers["x-request-id"] != "0" * 31 + "1"


@pytest.mark.parametrize("given", ("", "x", "0" * 33, "A" * 32, "0" * 31 + "g", "0" * 32 + "\\n"))
def test_an_id_that_is_not_32_hex_digits_is_replaced(app: App, given: str):
    assert app.get("/json", headers={"X-Request-ID": given}).headers["x-request-id"] != given


@pytest.mark.parametrize("host", ("evil.example", "", "a:b:c", "[::1", "localhost:99999"))
def test_healthz_answers_whatever_the_host(app: App, host: str):
    assert app.get("/healthz", headers={"X-Forwarded-Host": host}).text == "ok"
