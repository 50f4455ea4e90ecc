"""Puts what the edge must show or check into one folder: certificate.pem, key.pem, and users for passwords.

Your own (TLS_CERT and TLS_KEY, AUTH_USERS_FILE) are checked and copied. Without a certificate of your own one is made
for SERVER_NAMES, 90 days long, by an authority that is thrown away: its key is never written, so nobody can sign
another with it. Trust ca.pem in a browser to look at the stack without a warning.

    python nginx/credentials.py FOLDER [--owner UID] [--reader UID]

Exit code 2, and one sentence, for what cannot be used: nothing is replaced then. Exit code 3 for a folder that cannot
be written.
"""

import argparse
import ipaddress
import os
import re
import ssl
import sys
import tempfile
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

DAYS = 90
RENEW_BELOW = 30  # days
NAMES = "localhost 127.0.0.1 [::1] nginx"
OURS = "names"  # a file beside the certificate: it is ours, and made for these


class Wrong(Exception):
    """Ends the program with one sentence and exit code 2."""


def main(words: list[str], environ: Mapping[str, str]) -> int:
    options = parsed(words)
    try:
        certificate, users = certificates(options.folder, environ), password_file(environ)
        options.folder.mkdir(parents=True, exist_ok=True)
        write(options.folder, certificate, options.owner)
        write(options.folder, {"users": users}, options.reader)
    except Wrong as wrong:
        return say(str(wrong), code=2)
    except OSError as error:
        return say(f"{str(options.folder)!r} cannot be written: {error.strerror}", code=3)
    if ours := certificate.get(OURS):
        print(f"credentials: made a certificate for {ours.decode()}, {DAYS} days")
    return 0


def say(sentence: str, code: int) -> int:
    print(f"credentials: {sentence}", file=sys.stderr)
    return code


def parsed(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="credentials", description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--owner", type=int, default=os.geteuid(), help="who reads the key: nginx's master process")
    parser.add_argument("--reader", type=int, default=os.geteuid(), help="who reads users: its workers")
    return parser.parse_args(words)


def certificates(folder: Path, environ: Mapping[str, str]) -> dict[str, bytes | None]:
    """File -> what is to be in it, None for a file that goes; empty when all is well."""
    given = {name: content(name, environ) for name in ("TLS_CERT", "TLS_KEY")}
    if any(given.values()):
        return {**checked(given), OURS: None, "ca.pem": None}
    names = " ".join(identities(environ))
    if lasts(folder, names):
        return {}
    return made(names)


def content(name: str, environ: Mapping[str, str]) -> bytes:
    """Of the file a variable names; nothing for an unset one and for an empty file, which compose mounts then."""
    path = environ.get(name, "")
    try:
        return Path(path).read_bytes() if path else b""
    except OSError as error:
        raise Wrong(f"{name}={path!r} cannot be read: {error.strerror}") from None


def checked(given: Mapping[str, bytes]) -> dict[str, bytes | None]:
    """Both are there, belong together, and the certificate holds today."""
    missing = [name for name, value in given.items() if not value]
    if missing:
        raise Wrong(f"{missing[0]} is missing or empty: a certificate needs its key, set TLS_CERT and TLS_KEY")
    for name, form in FORMS.items():
        if not re.search(rf"-----BEGIN ([A-Z0-9]+ )?{form}-----".encode(), given[name]):
            raise Wrong(f"{name} is no PEM file with -----BEGIN {form}-----")
    load(given)
    start, end = validity(given["TLS_CERT"])
    if end < datetime.now(UTC):
        raise Wrong(f"TLS_CERT expired on {end:%Y-%m-%d}; renew it")
    if start > datetime.now(UTC):
        raise Wrong(f"TLS_CERT is not valid before {start:%Y-%m-%d %H:%M} UTC; wait, or mend this machine's clock")
    return {"certificate.pem": given["TLS_CERT"], "key.pem": given["TLS_KEY"]}


FORMS = {"TLS_CERT": "CERTIFICATE", "TLS_KEY": "PRIVATE KEY"}


def load(given: Mapping[str, bytes]) -> None:
    """By OpenSSL, as nginx will."""
    with tempfile.TemporaryDirectory() as folder:  # (!) load_cert_chain reads files only; the folder is private
        certificate, key = Path(folder, "certificate"), Path(folder, "key")
        certificate.write_bytes(given["TLS_CERT"])
        key.write_bytes(given["TLS_KEY"])
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, no_password)
        except ssl.SSLError as error:
            raise Wrong(REASONS.get(error.reason, refused(error.reason))) from None


def no_password() -> str:
    raise Wrong(
        "TLS_KEY has a password, which nginx could not ask for; write it without: openssl pkey -in KEY -out NEW"
    )


MISMATCH = "TLS_KEY is not the key of the first certificate in TLS_CERT; its own comes first, then its chain"
# The last: OpenSSL looks for a certificate of the key's kind, and finds none.
REASONS = dict.fromkeys(("KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH", "NO_CERTIFICATE_ASSIGNED"), MISMATCH)


def refused(reason: str | None) -> str:
    """OpenSSL has a word for some failures, `EE_KEY_TOO_SMALL`, and none for others."""
    why = f": {reason.lower().replace('_', ' ')}" if reason else ", one of them is damaged"
    return f"OpenSSL cannot use TLS_CERT and TLS_KEY{why}"


def validity(certificate: bytes) -> tuple[datetime, datetime]:
    from cryptography import x509

    try:
        first = x509.load_pem_x509_certificates(certificate)[0]
    except ValueError as error:
        raise Wrong(f"TLS_CERT cannot be read: {error}") from None
    return first.not_valid_before_utc, first.not_valid_after_utc


def identities(environ: Mapping[str, str]) -> list[str]:
    """SERVER_NAMES and BIND_ADDRESS as a certificate names them: no brackets, and of nginx's wildcards `*.` alone."""
    address = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(
        environ.get("BIND_ADDRESS", ""), environ.get("BIND_ADDRESS", "")
    )
    given = [*(environ.get("SERVER_NAMES") or NAMES).split(), address]
    found = [name for each in given if each for name in spelled(each.strip("[]").lower())]
    return list(dict.fromkeys(filter(certifiable, found))) or ["localhost"]


def certifiable(name: str) -> bool:
    """An address or a host name. nginx knows more names, such as `www.example.*` and `my_host`; certificates do not."""
    try:
        return bool(ipaddress.ip_address(name))
    except ValueError:
        return bool(HOST.fullmatch(name))


LABEL = r"(?!(?!xn)..--)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
HOST = re.compile(rf"(\*\.)?{LABEL}(\.{LABEL})*")


def spelled(name: str) -> Iterator[str]:
    """`.example.org` is nginx's word for the name and everything below it."""
    yield from (name[1:], f"*{name}") if name.startswith(".") else (name.rstrip("."),)


def lasts(folder: Path, names: str) -> bool:
    """One of ours, for these names, whole, that need not be renewed yet."""
    try:
        pair = {"TLS_CERT": (folder / "certificate.pem").read_bytes(), "TLS_KEY": (folder / "key.pem").read_bytes()}
        same = (folder / OURS).read_text() == names and bool(checked(pair))
    except (OSError, Wrong):
        return False
    return same and validity(pair["TLS_CERT"])[1] - datetime.now(UTC) > timedelta(days=RENEW_BELOW)


def made(names: str) -> dict[str, bytes | None]:
    import trustme

    authority = trustme.CA(organization_name="Ponte on this machine")
    now = datetime.now(UTC)
    try:
        leaf = authority.issue_cert(
            *names.split(), not_before=now - timedelta(hours=1), not_after=now + timedelta(days=DAYS)
        )
    except ValueError as error:
        raise Wrong(f"no certificate can be made for {names}: {error}") from None
    chain = b"".join(pem.bytes() for pem in leaf.cert_chain_pems)
    return {
        "key.pem": leaf.private_key_pem.bytes(),
        "certificate.pem": chain,
        "ca.pem": authority.cert_pem.bytes(),
        OURS: names.encode(),
    }


def password_file(environ: Mapping[str, str]) -> bytes | None:
    """What `htpasswd` writes: lines of NAME:HASH."""
    found = content("AUTH_USERS_FILE", environ)
    for number, line in enumerate(found.decode(errors="replace").splitlines(), 1):
        if line.strip() and not line.startswith("#") and not USER.fullmatch(line):
            raise Wrong(f"AUTH_USERS_FILE: line {number} is not NAME:HASH; `htpasswd -B FILE NAME` writes one")
    return found or None


# Hashes begin with $ (bcrypt, apr1, crypt) or {SSHA}; those of old have 13 letters.
USER = re.compile(r"[^:\s]+:(\$.+|\{.+|[./0-9A-Za-z]{13})")


def write(folder: Path, files: Mapping[str, bytes | None], owner: int) -> None:
    """Each at once: a reader sees the old one or the new one. Only its owner may read it; ca.pem is for everybody."""
    for name, value in files.items():
        path, draft = folder / name, folder / f".{name}.new"
        if value is None:
            path.unlink(missing_ok=True)
            continue
        draft.unlink(missing_ok=True)
        draft.touch(mode=0o600)
        draft.write_bytes(value)
        draft.chmod(0o644 if name == "ca.pem" else 0o600)
        if owner != os.geteuid():
            os.chown(draft, owner, -1)  # (!) last: the file of another is nothing we may write or change
        draft.replace(path)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
