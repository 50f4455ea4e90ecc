"""What the edge agrees to in a handshake: see promise.md."""

import ssl
import warnings

import pytest

from tests import tls, wire
from tests.config.edge import Answer, Outside, certificate
from tests.promises.conftest import Mutated

OFFERS = {"TLSv1": False, "TLSv1_1": False, "TLSv1_2": True, "TLSv1_3": True}
# OpenSSL's names of what TLS 1.2 clients of old would rather speak.
WEAK = {
    "no forward secrecy": "AES128-GCM-SHA256:AES256-GCM-SHA384",
    "CBC": "ECDHE-ECDSA-AES128-SHA256:ECDHE-ECDSA-AES128-SHA:ECDHE-ECDSA-AES256-SHA384:ECDHE-RSA-AES128-SHA256",
    "nobody is who he says": "aNULL",
    "no encryption": "eNULL",
}


def holds(front: Outside) -> None:
    for version, good in OFFERS.items():
        assert agrees(front, speaking(ssl.TLSVersion[version])) is good, version
    for name, ciphers in WEAK.items():
        assert not agrees(front, speaking(ssl.TLSVersion.TLSv1_2, ciphers)), name
    for offered in (("h2", "http/1.1"), ("http/1.1",), ("h2",)):
        assert chosen(front, offered) == offered[0]
    assert tls.h2_status(front, "/healthz") == tls.ask(front, "/healthz").status == 200
    plain_http_is_told_so(front)
    http2_needs_tls(front)


def speaking(version: ssl.TLSVersion, ciphers: str = "ALL") -> ssl.SSLContext:
    """A client of one version alone. (!) SECLEVEL=0: OpenSSL would not let us speak the old ones."""
    how = tls.context()
    how.set_ciphers(f"{ciphers}:@SECLEVEL=0")
    with warnings.catch_warnings(action="ignore"):  # that they are old
        how.minimum_version = how.maximum_version = version
    return how


def agrees(front: Outside, how: ssl.SSLContext) -> bool:
    try:
        with tls.session(front.tls, how=how):
            return True
    except (ssl.SSLError, ConnectionResetError):
        return False


def chosen(front: Outside, offered: tuple[str, ...]) -> str | None:
    with tls.session(front.tls, how=tls.context(alpn=offered)) as sock:
        return sock.selected_alpn_protocol()


def plain_http_is_told_so(front: Outside) -> None:
    answer = Answer(wire.exchange(front.tls, wire.request("GET /healthz HTTP/1.1")))  # type: ignore[arg-type]

    assert answer.status == 400
    assert b'"error":"bad_request"' in answer.body
    assert answer.headers["x-content-type-options"] == "nosniff"


def http2_needs_tls(front: Outside) -> None:
    """Its first words are read as HTTP/1.1, and are none; what it would say itself are frames."""
    assert front.raw(tls.H2_PREFACE).startswith((b"HTTP/1.1 400", b"HTTP/1.1 505"))


def test_only_what_is_safe_is_spoken(front: Outside) -> None:
    holds(front)


OLD = "TLSv1.1 TLSv1.2 TLSv1.3; ssl_conf_command CipherString ECDHE-ECDSA-AES128-SHA:ECDHE+AESGCM:@SECLEVEL=0;"
MUTATIONS = [
    ("snippets/tls.conf", "TLSv1.2 TLSv1.3;", OLD),
    ("snippets/tls.conf", "ssl_ciphers ", "ssl_ciphers ECDHE-ECDSA-AES128-SHA256:"),
    ("templates/conf.d/https.conf.template", "http2 on;", "http2 off;"),
    ("nginx.conf", "charset utf-8;", "http2 on; charset utf-8;"),
    ("snippets/error-pages.conf", "error_page 497 =400 $error_page;", ""),
]


def test_the_edge_before_stubs_holds_too_and_its_chain_leads_to_its_authority(mutated: Mutated) -> None:
    with mutated(listen_tls=tls.port()) as edge_:
        holds(edge_)
        for name in ("localhost", "127.0.0.1"):
            with tls.session(edge_.tls, name, tls.context(trust=certificate()["ca.pem"])) as sock:
                assert sock.version() == "TLSv1.3"


@pytest.mark.full
@pytest.mark.parametrize(("file", "good", "bad"), MUTATIONS)
def test_an_edge_that_speaks_more_is_caught(mutated: Mutated, file: str, good: str, bad: str) -> None:
    with mutated(file, good, bad, listen_tls=tls.port()) as edge_, pytest.raises(AssertionError):
        holds(edge_)
