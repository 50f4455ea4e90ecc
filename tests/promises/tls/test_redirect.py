"""From http:// to https://: see promise.md."""

import pytest

from tests import tls, wire
from tests.config.edge import Outside, Running
from tests.promises.conftest import Mutated

NAMES = ("shop.test", "localhost", "127.0.0.1", "[::1]")
# What is asked over HTTP -> where it leads, with :PORT for the port of HTTPS.
LEADS = {
    ("GET", "/", "shop.test"): "https://shop.test:PORT/",
    ("GET", "/flask/json?a=1&b=%2F", "shop.test"): "https://shop.test:PORT/flask/json?a=1&b=%2F",
    ("GET", "/flask", "shop.test"): "https://shop.test:PORT/flask",
    ("GET", "/none", "localhost:8080"): "https://localhost:PORT/none",
    ("GET", "/", "[::1]:8080"): "https://[::1]:PORT/",
    ("GET", "/", "SHOP.TEST"): "https://shop.test:PORT/",
    ("POST", "/fastapi/echo", "127.0.0.1"): "https://127.0.0.1:PORT/fastapi/echo",
    ("GET", "http://shop.test/there", "localhost"): "https://shop.test:PORT/there",
}
STAYS = {"/healthz": 200, "/.well-known/acme-challenge/token": 200, "/.well-known/acme-challenge/none": 404}


def holds(front: Outside, port: str) -> None:
    for (method, path, host), expected in LEADS.items():
        answer = front.ask(path, method=method, host=host)
        assert (answer.status, answer.headers.get("location")) == (308, expected.replace(":PORT", port)), path
    for path, status in STAYS.items():
        assert front.ask(path, host="shop.test").status == status, path
    assert front.ask("/", "X-Forwarded-Proto: https", host="shop.test").status == 308, "anybody may say so"
    assert front.ask("/", host="evil.example").raw == b"", "nobody is led to a foreign name"
    assert wire.statuses(front.raw(b"GET / HTTP/1.1\r\n\r\n")) == [400]
    assert tls.ask(front, "/").status == 200, "once is enough"


def redirecting(mutated: Mutated, *mutation: str, https_port: int = 8443, **changed: object):
    return mutated(
        *mutation,
        listen_tls=tls.port(),
        https_port=https_port,
        https_redirect=True,
        server_names=NAMES,
        **changed,
    )


@pytest.mark.parametrize(("https_port", "port"), [(8443, ":8443"), (443, "")])
def test_http_leads_to_https(mutated: Mutated, https_port: int, port: str) -> None:
    with redirecting(mutated, https_port=https_port) as edge_:
        put_token(edge_)
        holds(edge_, port)


def put_token(edge_: Running) -> None:
    """As an ACME client does."""
    folder = edge_.settings.acme / ".well-known" / "acme-challenge"
    folder.mkdir(parents=True)
    (folder / "token").write_text("token.key")


def test_what_a_trusted_proxy_took_in_over_tls_stays(mutated: Mutated) -> None:
    with redirecting(mutated, trusted_proxies=("127.0.0.1/32",)) as edge_:
        stays, leads, neither = (
            edge_.ask("/", *lines, host="shop.test").status
            for lines in (["X-Forwarded-Proto: https"], ["X-Forwarded-Proto: http"], [])
        )

    assert (stays, leads, neither) == (200, 308, 308)


def test_nothing_is_redirected_where_it_is_off(mutated: Mutated) -> None:
    with mutated(listen_tls=tls.port()) as edge_:
        assert edge_.ask("/").status == 200


FILE = "templates/features/plain/redirect.conf.template"
MUTATIONS = [
    (FILE, "308", "302"),
    (FILE, "$request_uri", "$uri"),
    (FILE, "$host", "$http_host"),
    (FILE, "$host", "$server_name"),
    ("templates/snippets/https.conf.template", '"~^http:/\\.well-known/acme-challenge/" "";', ""),
    ("templates/snippets/trust.conf.template", "    default $scheme;\n    1 ", "    default $scheme_before;\n    1 "),
    ("templates/conf.d/unknown.conf.template", "include", "include features/plain/*.conf; include"),
]


@pytest.mark.full
@pytest.mark.parametrize(("file", "good", "bad"), MUTATIONS)
def test_a_wrong_redirect_is_caught(mutated: Mutated, file: str, good: str, bad: str) -> None:
    with redirecting(mutated, file, good, bad) as edge_, pytest.raises(AssertionError):
        put_token(edge_)
        holds(edge_, ":8443")
