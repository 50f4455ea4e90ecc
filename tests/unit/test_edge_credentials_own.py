"""nginx/credentials.py: certificates that people bring along, good ones and those nginx could not use."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests import tls
from tests.credentials import MADE, SILENT, Folder, refused


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    (tmp_path / "credentials").mkdir()
    return Folder(tmp_path / "credentials")


def test_your_own_takes_the_place_of_ours_and_gives_it_back(folder: Folder, tmp_path: Path) -> None:
    folder.put()
    own = tls.put(tmp_path, *tls.issued("shop.test"))
    answer = folder.put(**own)

    assert answer == SILENT
    assert set(folder.files) == {"certificate.pem", "key.pem"}
    assert folder.files["certificate.pem"] == Path(own["TLS_CERT"]).read_bytes()
    folder.put()
    assert set(folder.files) == MADE
    assert folder.names == {"localhost", "127.0.0.1", "::1", "nginx"}


def test_one_file_may_hold_both(folder: Folder, tmp_path: Path) -> None:
    both = tmp_path / "both.pem"
    both.write_bytes(b"".join(tls.issued("shop.test")))

    assert folder.put(TLS_CERT=str(both), TLS_KEY=str(both)) == SILENT
    assert folder.names == {"shop.test"}


GOOD, KEY = tls.issued("shop.test")
OTHER, OTHER_KEY = tls.issued("shop.test")
PEM, PKCS8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
LOCKED = serialization.load_pem_private_key(KEY, None).private_bytes(
    PEM, PKCS8, serialization.BestAvailableEncryption(b"secret")
)
OTHER_KIND = Ed25519PrivateKey.generate().private_bytes(PEM, PKCS8, serialization.NoEncryption())
HOSTS = Path("/etc/hosts").read_bytes()
DAMAGED = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
BROKEN_KEY = b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"
UNREADABLE = "/proc/self/mem"  # to root as well
MISMATCH = "TLS_KEY is not the key of the first certificate in TLS_CERT"
BAD = {
    "the key of another": (GOOD, OTHER_KEY, MISMATCH),
    "a key of another kind": (GOOD, OTHER_KIND, MISMATCH),
    "its chain first": (OTHER + GOOD, KEY, MISMATCH),
    "expired": (*tls.issued("shop.test", days=-1, since=-90), "TLS_CERT expired on "),
    "not valid yet": (*tls.issued("shop.test", days=90, since=2), "TLS_CERT is not valid before "),
    "a password": (GOOD, LOCKED, "TLS_KEY has a password, which nginx could not ask for"),
    "no PEM": (HOSTS, HOSTS, "TLS_CERT is no PEM file with -----BEGIN CERTIFICATE-----"),
    "no key": (GOOD, HOSTS, "TLS_KEY is no PEM file with -----BEGIN PRIVATE KEY-----"),
    "the key first": (KEY, GOOD, "TLS_CERT is no PEM file with -----BEGIN CERTIFICATE-----"),
    "no text": (b"\x30\x82\x00\xff" * 9, KEY, "TLS_CERT is no PEM file"),
    "a damaged certificate": (DAMAGED, KEY, "OpenSSL cannot use TLS_CERT and TLS_KEY"),
    "a damaged key": (GOOD, BROKEN_KEY, "OpenSSL cannot use TLS_CERT and TLS_KEY"),
    "an empty certificate": (b"", KEY, "TLS_CERT is missing or empty"),
    "an empty key": (GOOD, b"", "TLS_KEY is missing or empty"),
}


@pytest.mark.parametrize("bad", BAD)
def test_what_nginx_could_not_use_is_one_sentence_and_replaces_nothing(
    folder: Folder, tmp_path: Path, bad: str
) -> None:
    folder.put()
    before = folder.files
    certificate, key, sentence = BAD[bad]

    refused(folder.put(**tls.put(tmp_path, certificate, key)), sentence)

    assert folder.files == before


@pytest.mark.parametrize(
    ("environ", "sentence"),
    [
        ({"TLS_CERT": "/etc/hosts"}, "TLS_KEY is missing or empty"),
        ({"TLS_KEY": "/etc/hosts"}, "TLS_CERT is missing or empty"),
        ({"TLS_CERT": "none.pem", "TLS_KEY": "none.key"}, "TLS_CERT='none.pem' cannot be read: No such file"),
        ({"TLS_CERT": "/etc", "TLS_KEY": "/etc"}, "TLS_CERT='/etc' cannot be read: Is a directory"),
        (
            {"TLS_CERT": UNREADABLE, "TLS_KEY": UNREADABLE},
            f"TLS_CERT='{UNREADABLE}' cannot be read: Input/output error",
        ),
        ({"AUTH_USERS_FILE": "none"}, "AUTH_USERS_FILE='none' cannot be read: No such file"),
    ],
)
def test_what_is_not_there_is_named(folder: Folder, environ: dict[str, str], sentence: str) -> None:
    refused(folder.put(**environ), sentence)

    assert folder.files == {}


def test_a_folder_that_cannot_be_written_is_the_environment_s_fault(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    refused(Folder(tmp_path / "file").put(), "cannot be written", code=3)
