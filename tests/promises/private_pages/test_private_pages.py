"""Pages for some and not for others: reports and Locust."""

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.ports import free_port
from tests.config.edge import Running, running

PRIVATE = ("/reports/", "/reports/run/", "/locust/", "/locust/stats/requests")
PUBLIC = ("/", "/robots.txt", "/flask/json", "/healthz")
SECRET = "bridge over water"
HTML = "text/html; charset=utf-8"
HASHES = {
    "bcrypt": "$2y$05$abcdefghijklmnopqrstuudmHfTCtUBQfjqzKEdLefha4lBGowDG.",  # htpasswd -B
    "MD5": "$apr1$ponte123$bBBf/nEu7SkrHSAFj3v3U1",  # htpasswd
    "SHA-512": "$6$ponte123$88GmeWPOSiNm2eOIATHbzGZd5p1.nZlP8ocOcm522D3kZIty0bDDgdGO48Mhso8ufU2HRnKqR.m3YwLU4zQOo0",  # htpasswd -5
}


def everywhere() -> dict[str, tuple[str, ...]]:
    """Also for others than this machine."""
    return {"listen": (f"0.0.0.0:{free_port()}",)}


def password(user: str, secret: str) -> str:
    return "Authorization: Basic " + base64.b64encode(f"{user}:{secret}".encode()).decode()


def write_users(folder: Path, text: str) -> None:
    users = folder / "credentials" / "users"
    users.parent.mkdir(exist_ok=True)
    users.write_text(text)


def closed(edge_: Running) -> None:
    """Where nobody could have a password."""
    for path in PRIVATE:
        refused = edge_.ask(path, password("ada", SECRET))
        assert (path, refused.status) == (path, 403)
        assert refused.json["error"] == "forbidden"
    for path in PUBLIC:
        assert edge_.ask(path).status == 200


def asked_for(edge_: Running) -> None:
    """A page for ada, 401 for everybody else; Locust does not run, so it is a 502 for her."""
    (edge_.settings.reports / "run").mkdir(exist_ok=True)
    (edge_.settings.reports / "run" / "index.html").write_text("a run")
    wrong = (
        [],
        [password("ada", "guess")],
        [password("eve", SECRET)],
        [password("ada", "")],
        ["Authorization: Basic ?"],
    )
    for path in PRIVATE:
        for words in wrong:
            refused = edge_.ask(path, *words)
            assert (path, words, refused.status) == (path, words, 401)
            assert refused.headers["www-authenticate"] == 'Basic realm="Ponte"'
            assert refused.json["error"] == "unauthorized"
        assert edge_.ask(path, password("ada", SECRET)).status == (200 if "reports" in path else 502)
    page = edge_.ask("/reports/", "Accept: text/html")
    assert (page.status, page.headers["content-type"], page.count("WWW-Authenticate")) == (401, HTML, 1)
    for path in PUBLIC:
        assert edge_.ask(path).status == 200


def guessing_is_slow(edge_: Running) -> None:
    guesses = [edge_.ask("/reports/", password("eve", f"{k}")).status for k in range(60)]
    assert set(guesses) == {401, 429}


ROUTES = "templates/snippets/routes.conf.template"
PRIVATE_LINE = "    include snippets/private.conf;\n"
OPENED = [(ROUTES, PRIVATE_LINE, ""), ("templates/snippets/locust.conf.template", PRIVATE_LINE, "")]


@pytest.fixture
def opened(nginx: Path, tmp_path: Path) -> Iterator[Running]:
    with running(tmp_path, nginx) as edge_:
        yield edge_


def test_this_machine_sees_everything(opened: Running) -> None:
    assert [opened.ask(path).status for path in ("/reports/", "/locust/")] == [200, 502]


@pytest.mark.parametrize("reached", [everywhere, lambda: {"trusted_proxies": ("127.0.0.1",)}])
def test_private_pages_are_closed_where_nobody_can_have_a_password(mutated, reached) -> None:
    with mutated(**reached()) as edge_:
        closed(edge_)


@pytest.mark.parametrize("kind", HASHES)
def test_private_pages_ask_for_a_password(mutated, tmp_path: Path, kind: str) -> None:
    write_users(tmp_path, f"# written by htpasswd\nbob:{HASHES['MD5']}\nada:{HASHES[kind]}\n")
    with mutated(password=True, **everywhere()) as edge_:
        asked_for(edge_)


def test_guessing_a_password_is_slow(mutated, tmp_path: Path) -> None:
    write_users(tmp_path, f"ada:{HASHES['MD5']}\n")
    with mutated(password=True, rate_limit=50, **everywhere()) as edge_:
        guessing_is_slow(edge_)


@pytest.mark.full
@pytest.mark.parametrize(("file", "good", "bad"), OPENED)
def test_a_page_that_was_left_open_is_caught(mutated, tmp_path: Path, file: str, good: str, bad: str) -> None:
    write_users(tmp_path, f"ada:{HASHES['MD5']}\n")
    with mutated(file, good, bad, password=True, **everywhere()) as edge_, pytest.raises(AssertionError):
        asked_for(edge_)


@pytest.mark.full
@pytest.mark.parametrize(("file", "good", "bad"), OPENED)
def test_a_page_that_was_not_closed_is_caught(mutated, file: str, good: str, bad: str) -> None:
    with mutated(file, good, bad, **everywhere()) as edge_, pytest.raises(AssertionError):
        closed(edge_)


@pytest.mark.full
def test_guesses_that_are_not_counted_are_caught(mutated, tmp_path: Path) -> None:
    write_users(tmp_path, f"ada:{HASHES['MD5']}\n")
    broken = ("templates/features/pages/rate_limit.conf.template", "limit_req zone=passwords", "# limit_req")
    with mutated(*broken, password=True, rate_limit=50, **everywhere()) as edge_, pytest.raises(AssertionError):
        guessing_is_slow(edge_)
