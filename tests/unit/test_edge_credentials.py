"""nginx/credentials.py: the certificate it makes, when it makes another, and who may enter."""

import os
import stat
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from tests import tls
from tests.contract import ROOT
from tests.credentials import MADE, SILENT, Folder, refused


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    (tmp_path / "credentials").mkdir()
    return Folder(tmp_path / "credentials")


def test_a_certificate_is_made_for_90_days_and_its_authority_is_thrown_away(folder: Folder) -> None:
    answer = folder.put(SERVER_NAMES="localhost 127.0.0.1 [::1]")

    assert (answer.code, answer.err) == (0, "")
    assert answer.out == "credentials: made a certificate for localhost 127.0.0.1 ::1, 90 days\n"
    assert set(folder.files) == MADE
    left = folder.certificate.not_valid_after_utc - datetime.now(UTC)
    assert timedelta(days=89) < left <= timedelta(days=90)
    folder.certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(folder.files["ca.pem"]))
    assert b"PRIVATE KEY" not in folder.files["ca.pem"]
    assert folder.belong_together, "the one key that is kept is the edge's own"


def test_only_its_owner_may_read_the_key(folder: Folder, tmp_path: Path) -> None:
    (tmp_path / "users").write_text("ada:$2y$05$abcdefghijklmnopqrstuv\n")
    folder.put(AUTH_USERS_FILE=str(tmp_path / "users"))

    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.path.iterdir()}
    assert modes == dict.fromkeys((*MADE, "users"), 0o600) | {"ca.pem": 0o644}


def test_one_that_lasts_is_kept(folder: Folder) -> None:
    folder.put()
    before = folder.files
    answer = folder.put()

    assert answer == SILENT
    assert folder.files == before


@pytest.mark.parametrize(("days", "kept"), [(31, True), (29, False), (-1, False)])
def test_below_30_days_it_is_renewed(folder: Folder, days: int, kept: bool) -> None:
    folder.made("localhost", "127.0.0.1", days=days)
    before = folder.files
    folder.put(SERVER_NAMES="localhost 127.0.0.1")

    assert (folder.files["certificate.pem"] == before["certificate.pem"]) is kept


def test_other_names_are_another_certificate(folder: Folder) -> None:
    folder.put(SERVER_NAMES="localhost")
    folder.put(SERVER_NAMES="shop.test")

    assert folder.names == {"shop.test"}


@pytest.mark.parametrize("lost", [{"key.pem": None}, {"key.pem": b""}, {"certificate.pem": b"?"}, {"key.pem": "other"}])
def test_one_that_was_damaged_is_made_again(folder: Folder, lost: dict[str, bytes | str | None]) -> None:
    folder.put()
    for name, content in lost.items():
        found = tls.issued("localhost")[1] if content == "other" else content
        (folder.path / name).write_bytes(found) if found is not None else (folder.path / name).unlink()
    folder.put()

    assert set(folder.files) == MADE
    assert folder.belong_together


# What nginx takes for a name -> what a certificate can say.
NAMES = {
    "": {"localhost", "127.0.0.1", "::1", "nginx"},
    "Shop.TEST shop.test": {"shop.test"},
    ".shop.test": {"shop.test", "*.shop.test"},
    "*.shop.test": {"*.shop.test"},
    "shop.test.": {"shop.test"},
    "shop.test www.shop.*": {"shop.test"},
    "shop.test my_host -a a..b 1:2:3 r3---x xn--bcher-kva.test": {"shop.test", "xn--bcher-kva.test"},
    "my_host": {"localhost"},
    "[2001:db8::7] 192.0.2.7": {"2001:db8::7", "192.0.2.7"},
    "a" * 63 + ".test " + "b" * 64 + ".test": {"a" * 63 + ".test"},
}


@pytest.mark.parametrize("names", NAMES)
def test_nginx_s_names_are_spelled_as_certificates_spell_them(folder: Folder, names: str) -> None:
    answer = folder.put(SERVER_NAMES=names)

    assert (answer.code, answer.err) == (0, "")
    assert folder.names == NAMES[names]


ADDRESSES = {"127.0.0.1": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1", "2001:db8::7": "2001:db8::7"}


@pytest.mark.parametrize("bind", ADDRESSES)
def test_the_address_it_listens_on_is_one_of_them(folder: Folder, bind: str) -> None:
    folder.put(SERVER_NAMES="shop.test", BIND_ADDRESS=bind)

    assert folder.names == {"shop.test", ADDRESSES[bind]}


def test_as_a_program_it_ends_with_its_code_and_without_a_traceback(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    codes = {"credentials": 0, "file": 3}
    for name, code in codes.items():
        argv = [sys.executable, str(ROOT / "nginx" / "credentials.py"), str(tmp_path / name)]
        done = subprocess.run(argv, env={"PATH": os.environ["PATH"]}, capture_output=True, text=True)

        assert (done.returncode, done.stderr.count("\n")) == (code, bool(code)), done.stderr


USERS = {
    "ada:$2y$05$abcdefghijklmnopqrstuv\n": "",
    "# who may enter\n\nada:$apr1$salt$hash\nbob:{SSHA}aGFzaA==\neve:rl0uE5MBaRXpA\n": "",
    "ada:secret\n": "line 1 is not NAME:HASH",
    "ada:$2y$05$hash\nmy secret word\n": "line 2 is not NAME:HASH",
    "ada\n": "line 1 is not NAME:HASH",
    "ada:\n": "line 1 is not NAME:HASH",
    "ada:$\n": "line 1 is not NAME:HASH",
    ":$2y$05$hash\n": "line 1 is not NAME:HASH",
}


@pytest.mark.parametrize("text", USERS)
def test_passwords_have_to_be_hashes(folder: Folder, tmp_path: Path, text: str) -> None:
    (tmp_path / "users").write_text(text)
    answer = folder.put(AUTH_USERS_FILE=str(tmp_path / "users"))

    if USERS[text]:
        refused(answer, f"AUTH_USERS_FILE: {USERS[text]}; `htpasswd -B FILE NAME` writes one")
        assert "secret" not in answer.err
        assert folder.files == {}
    else:
        assert folder.files["users"] == text.encode()


def test_whoever_no_longer_has_to_have_a_password_has_none(folder: Folder, tmp_path: Path) -> None:
    (tmp_path / "users").write_text("ada:$apr1$salt$hash\n")
    folder.put(AUTH_USERS_FILE=str(tmp_path / "users"))
    folder.put(AUTH_USERS_FILE="")

    assert "users" not in folder.files
