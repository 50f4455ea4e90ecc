"""nginx/credentials.py as the engines call it, on a folder of a test's own."""

import contextlib
import io
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from tests import tls
from tests.config.edge import CREDENTIALS

MADE = {"certificate.pem", "key.pem", "ca.pem", "names"}


@dataclass(frozen=True)
class Said:
    code: int
    out: str
    err: str


SILENT = Said(0, "", "")


class Folder:
    """Where the program puts things, and a call of it."""

    def __init__(self, path: Path):
        self.path = path

    def put(self, **environ: str) -> Said:
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = CREDENTIALS["main"]([str(self.path)], environ)
        return Said(code, out.getvalue(), err.getvalue())

    @property
    def files(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in self.path.iterdir()}

    @property
    def certificate(self) -> x509.Certificate:
        return x509.load_pem_x509_certificate(self.files["certificate.pem"])

    @property
    def names(self) -> set[str]:
        found = self.certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        return {str(each.value) for each in found}

    @property
    def belong_together(self) -> bool:
        key = serialization.load_pem_private_key(self.files["key.pem"], None)
        return key.public_key() == self.certificate.public_key()

    def made(self, *names: str, days: float) -> None:
        """As the program would have, so long ago that it lasts for `days` more."""
        certificate, key = tls.issued(*names, days=days, since=-80)
        for name, content in (("certificate.pem", certificate), ("key.pem", key), ("names", " ".join(names).encode())):
            (self.path / name).write_bytes(content)


def refused(said: Said, sentence: str, code: int = 2) -> None:
    assert said.code == code, said
    assert said.err.startswith("credentials: ")
    assert sentence in said.err
    assert said.err.count("\n") == 1, "one sentence, no traceback"
    assert said.out == ""
