"""The session cookie as a browser gets it: see promise.md."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from http.cookies import Morsel, SimpleCookie

import httpx
import pytest

from deploy.ports import free_port
from tests import tls
from tests.config.edge import Outside
from tests.contract import NAMES, ROOT
from tests.promises.behind import upstreams  # noqa: F401

CLAIMS = ({}, {"X-Forwarded-Proto": "https", "X-Forwarded-Ssl": "on"}, {"X-Forwarded-Proto": "http"})
# What `check --deploy` says of us, and who does the work instead.
EXPLAINED = {
    "security.W001": "no SecurityMiddleware: HSTS, redirect, nosniff and referrer policy are the edge's, for every service",
    "security.W002": "no XFrameOptionsMiddleware: the edge sends X-Frame-Options",
    "security.W003": "no CsrfViewMiddleware: there is no form; a SameSite=Lax cookie does not come with a foreign POST",
}


def cookie(front: Outside, scheme: str, service: str, claims: dict[str, str]) -> Morsel:
    host, port = {"http": front.address, "https": front.tls}[scheme]
    answer = httpx.post(f"{scheme}://{host}:{port}/{service}/session", headers=claims, verify=tls.context())
    assert answer.status_code == 200, answer.text
    (morsel,) = SimpleCookie(answer.headers["set-cookie"]).values()
    return morsel


def holds(front: Outside, service: str) -> None:
    for claims in CLAIMS:
        for scheme, secure in (("http", ""), ("https", True)):
            set_ = cookie(front, scheme, service, claims)

            flags = {name: set_[name] for name in ("secure", "httponly", "samesite", "path", "domain", "expires")}
            lax = {"httponly": True, "samesite": "Lax", "path": f"/{service}/", "domain": "", "expires": ""}
            assert flags == lax | {"secure": secure}


@pytest.mark.parametrize("service", NAMES)
def test_the_cookie_is_for_its_service_alone_and_secure_over_https(front: Outside, service: str) -> None:
    holds(front, service)


@pytest.mark.parametrize("service", NAMES)
@pytest.mark.parametrize("path", ["/", "/json", "/headers", "/session", "/messages", "/no-such-path"])
def test_reading_sets_no_cookie(front: Outside, service: str, path: str) -> None:
    assert front.ask(f"/{service}{path}").count("set-cookie") == 0


@pytest.mark.full
def test_an_edge_of_our_own_passes(edge_with_tls: Callable) -> None:
    with edge_with_tls() as edge_:
        holds(edge_, "flask")


MUTATIONS = [
    ("snippets/proxy.conf", "X-Forwarded-Proto $client_scheme;", "X-Forwarded-Proto http;"),
    ("snippets/proxy.conf", "X-Forwarded-Proto $client_scheme;", "X-Forwarded-Proto https;"),
    ("snippets/proxy.conf", "X-Forwarded-Proto $client_scheme;", "X-Forwarded-Proto $http_x_forwarded_proto;"),
    ("services/flask.conf", "X-Forwarded-Prefix /flask;", "X-Forwarded-Prefix /;"),
    ("snippets/proxy.conf", "proxy_redirect off;", "proxy_cookie_flags ~ nohttponly;"),
    ("snippets/proxy.conf", "proxy_redirect off;", "proxy_cookie_flags ~ samesite=none;"),
    ("snippets/proxy.conf", "proxy_redirect off;", "proxy_cookie_path ~^/.* /;"),
]


@pytest.mark.full
@pytest.mark.parametrize(("file", "good", "bad"), MUTATIONS)
def test_an_edge_that_spoils_the_cookie_is_caught(edge_with_tls: Callable, file: str, good: str, bad: str) -> None:
    with edge_with_tls(file, good, bad) as edge_, pytest.raises(AssertionError):
        holds(edge_, "flask")


@pytest.fixture
def edge_with_tls(mutated, upstreams) -> Callable:  # noqa: F811
    return lambda *words: mutated(*words, upstreams=upstreams, listen_tls=(f"127.0.0.1:{free_port()}",))


def findings(*words: str, **environ: str) -> set[str]:
    """What Django has to say about its settings when they are meant for production."""
    apps = ROOT / "apps"
    plain = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": f"{apps}:{apps / 'django'}",
        "SECRET_KEY": "0123456789abcdef" * 4,
    }
    command = [sys.executable, "-B", *words, "manage.py", "check", "--deploy"]
    ran = subprocess.run(command, cwd=apps / "django", env=plain | environ, capture_output=True, text=True)
    return set(re.findall(r"\((\w+\.[WE]\d+)\)", ran.stdout + ran.stderr)) | ({"failed"} if ran.returncode else set())


def test_django_finds_nothing_that_is_not_explained() -> None:
    assert findings() == set(EXPLAINED)


@pytest.mark.full
def test_django_finds_a_weak_key() -> None:
    assert findings(SECRET_KEY="short") - set(EXPLAINED) == {"security.W009"}
