"""TLS as a client speaks it, and certificates such as people bring along."""

import os
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme
from cryptography import x509

from deploy.ports import free_port
from tests import wire
from tests.config.edge import HOST, Answer, Outside
from tests.contract import ROOT
from tests.engine import Stack

H2_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes.fromhex("000000040000000000")  # and empty SETTINGS
HEADERS, RST_STREAM, END_STREAM_AND_HEADERS = 1, 3, 5
# Engine -> what lies in the run folder, and where; all else is in volumes.
IN_RUN = {
    "native": {"credentials": "credentials", "acme": "acme"},
    "swarm": {"credentials": "swarm/credentials"},
}
OF_VOLUMES = {"swarm": "-swarm"}  # behind the name of the project
STATUS = {0x88: 200, 0x8C: 400, 0x8D: 404}  # what HPACK has one byte for


def port() -> tuple[str, ...]:
    """A listen_tls nobody else has."""
    return (f"{HOST}:{free_port()}",)


def context(trust: bytes = b"", alpn: tuple[str, ...] = ()) -> ssl.SSLContext:
    """Trusts one authority, or looks at no certificate. (!) A new one for each: httpx writes its protocols into it."""
    made = ssl.create_default_context(cadata=trust.decode() or None)
    made.check_hostname = bool(trust)
    made.verify_mode = ssl.CERT_REQUIRED if trust else ssl.CERT_NONE
    made.set_alpn_protocols(alpn)
    return made


@contextmanager
def session(
    to: wire.Address | None, name: str | None = "localhost", how: ssl.SSLContext | None = None
) -> Iterator[ssl.SSLSocket]:
    """A handshake that asks for `name`, or for none (SNI)."""
    assert to, "this edge has no port for HTTPS"
    with wire.connection(to) as sock, (how or context()).wrap_socket(sock, server_hostname=name) as secured:
        yield secured


def exchange(to: wire.Address | None, request: bytes, name: str | None = "localhost") -> bytes:
    with session(to, name) as sock:
        sock.sendall(request)
        return wire.read_all(sock)


def ask(front: Outside, path: str, *lines: str, host: str = "localhost", name: str | None = "localhost") -> Answer:
    return Answer(exchange(front.tls, wire.request(f"GET {path} HTTP/1.1", *lines, host=host), name))


def h2_status(front: Outside, path: str, host: str = "localhost") -> int | None:
    """Of a GET over HTTP/2; None when the edge resets it."""
    head = b"\x82\x87" + b"\x04" + literal(path) + b"\x01" + literal(host)  # GET, https, :path, :authority
    frame = len(head).to_bytes(3, "big") + bytes([HEADERS, END_STREAM_AND_HEADERS, 0, 0, 0, 1]) + head
    with session(front.tls, how=context(alpn=("h2",))) as sock:
        sock.sendall(H2_PREFACE + frame)
        kind, payload = next(frame for frame in frames(sock) if frame[0] in (HEADERS, RST_STREAM))
    return STATUS[payload[0]] if kind == HEADERS else None


def literal(text: str) -> bytes:
    return bytes([len(text)]) + text.encode()


def frames(sock: ssl.SSLSocket) -> Iterator[tuple[int, bytes]]:
    """Kind and payload, until the other side closes."""
    stream = sock.makefile("rb")
    while len(head := stream.read(9)) == 9:
        yield head[3], stream.read(int.from_bytes(head[:3], "big"))


def served(to: wire.Address | None, name: str | None = "localhost") -> bytes:
    """The certificate of a handshake, DER."""
    with session(to, name) as sock:
        return sock.getpeercert(binary_form=True) or b""


def der(pem: bytes) -> bytes:
    return ssl.PEM_cert_to_DER_cert(pem.decode().partition("-----END")[0] + "-----END CERTIFICATE-----\n")


def days_left(certificate: bytes) -> float:
    end = x509.load_der_x509_certificate(certificate).not_valid_after_utc
    return (end - datetime.now(UTC)) / timedelta(days=1)


def issued(*names: str, days: float = 60, since: float = -1) -> tuple[bytes, bytes]:
    """A certificate of an authority of its own, and its key; `days` from now, from `since` on."""
    now = datetime.now(UTC)
    leaf = trustme.CA().issue_cert(*names, not_before=now + timedelta(days=since), not_after=now + timedelta(days=days))
    return b"".join(pem.bytes() for pem in leaf.cert_chain_pems), leaf.private_key_pem.bytes()


def put(folder: Path, certificate: bytes, key: bytes) -> dict[str, str]:
    """Files of a user, by the variables that name them."""
    folder.mkdir(parents=True, exist_ok=True)
    files = {"TLS_CERT": (folder / "own.pem", certificate), "TLS_KEY": (folder / "own.key", key)}
    for path, content in files.values():
        path.write_bytes(content)
    return {name: str(path) for name, (path, _) in files.items()}


def folder(stack: Stack, name: str) -> Path:
    """Where a stack has its `credentials` or its `acme`; a volume of containers may be entered by root alone."""
    if place := IN_RUN.get(stack.engine, {}).get(name):
        return ROOT / stack.environ["PONTE_RUN"] / place
    volume = f"{stack.environ['COMPOSE_PROJECT_NAME']}{OF_VOLUMES.get(stack.engine, '')}_{name}"
    argv = ["docker", "volume", "inspect", "--format", "{{.Mountpoint}}", volume]
    place = Path(subprocess.run(argv, capture_output=True, text=True).stdout.strip())
    if not os.access(place, os.W_OK):
        pytest.skip(f"the volume {name} can be entered by root alone")
    return place
