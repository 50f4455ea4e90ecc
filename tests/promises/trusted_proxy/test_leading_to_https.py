"""What leads a client to HTTPS and HTTP/3: to the load balancer's, or to the edge's own."""

import httpx
import pytest

from deploy.ports import free_port
from tests.config.edge import HOST as LOOPBACK
from tests.config.edge import Outside
from tests.promises.trusted_proxy.test_trusted_proxy import FROM_CLIENT, PLAIN, SHOP, STRANGER, TLS, TRUSTING, ask

REDIRECTING = {**TRUSTING, "https_redirect": True, "https_port": 8443}
HTTPS = "templates/snippets/https.conf.template"
RENDERED = "    default '${PONTE_ALT_SVC}';\n    1       \"\";"
OFFERED = RENDERED.replace("${PONTE_ALT_SVC}", 'h3=":8443"')


def redirects_hold(edge_: Outside) -> None:
    """To the client's own HTTPS: the load balancer's, or ours."""
    for path in ("/flask/headers?a=1", "/site.css"):
        assert ask(edge_, path, FROM_CLIENT, TLS).status == 200
        for lines, peer, base in (
            ([PLAIN], LOOPBACK, f"https://{SHOP}"),
            ([], LOOPBACK, f"https://{SHOP}"),
            ([TLS], STRANGER, f"https://{SHOP}:8443"),
        ):
            answer = ask(edge_, path, FROM_CLIENT, *lines, peer=peer)
            assert (answer.status, answer.headers.get("location")) == (308, base + path)
    prefix = ask(edge_, "/flask", FROM_CLIENT, TLS)
    assert (prefix.status, prefix.headers.get("location")) == (308, "/flask/")


def offered(edge_: Outside, peer: str) -> str:
    """Alt-Svc of an answer over TLS."""
    transport = httpx.HTTPTransport(local_address=peer, verify=False)
    host, port = edge_.tls  # type: ignore[misc]
    with httpx.Client(transport=transport) as client:
        return client.get(f"https://{host}:{port}/", headers={"Host": SHOP}).headers.get("alt-svc", "")


def offers_hold(edge_: Outside) -> None:
    """(!) A load balancer's clients cannot reach a port of ours."""
    assert offered(edge_, STRANGER) == 'h3=":8443"'
    assert offered(edge_, LOOPBACK) == ""
    assert ask(edge_, "/", FROM_CLIENT, TLS).count("Alt-Svc") == 0
    assert ask(edge_, "/", FROM_CLIENT, TLS, peer=STRANGER).count("Alt-Svc") == 0


REDIRECTS = [
    ("templates/features/plain/redirect.conf.template", "$https_suffix", "${PONTE_HTTPS_SUFFIX}"),
    (HTTPS, "map $client_scheme:$uri", "map $scheme:$uri"),
    (HTTPS, "map $client_scheme:$uri", "map $http_x_forwarded_proto:$uri"),
]


@pytest.fixture
def advertising(mutated):
    """As if this nginx spoke HTTP/3: not every one is built with it."""
    words = {"listen_tls": (f"{LOOPBACK}:{free_port()}",), **TRUSTING}
    return lambda lines: mutated(HTTPS, RENDERED, lines, **words)


def test_redirects_lead_to_the_https_of_the_client(mutated) -> None:
    with mutated(**REDIRECTING) as edge_:
        redirects_hold(edge_)


def test_http3_is_offered_to_those_who_can_reach_it(advertising) -> None:
    with advertising(OFFERED) as edge_:
        offers_hold(edge_)


@pytest.mark.full
@pytest.mark.parametrize(("file", "good", "bad"), REDIRECTS)
def test_a_redirect_that_leads_astray_is_caught(mutated, file: str, good: str, bad: str) -> None:
    with mutated(file, good, bad, **REDIRECTING) as edge_, pytest.raises(AssertionError):
        redirects_hold(edge_)


@pytest.mark.full
def test_an_offer_that_cannot_be_taken_is_caught(advertising) -> None:
    with advertising(OFFERED.partition("\n")[0]) as edge_, pytest.raises(AssertionError):
        offers_hold(edge_)
