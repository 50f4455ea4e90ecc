"""A certificate from an authority to the edge and its renewal: see promise.md."""

import subprocess
from pathlib import Path

import pytest

from tests import tls
from tests.engine import Stack
from tests.load import Load, get
from tests.promises.acme.authority import LACKING, authority
from tests.promises.conftest import Mutated
from tests.waiting import until

pytestmark = [
    pytest.mark.full,
    pytest.mark.timeout(120),
    pytest.mark.skipif(bool(LACKING), reason=f"{' and '.join(LACKING)} absent: apt-get install pebble lego"),
]


def test_a_certificate_comes_through_the_edge_and_is_renewed(stack: Stack, tmp_path: Path) -> None:
    if not stack.ours:
        pytest.skip("would change the certificate of the stack at PONTE_URL")
    webroot = tls.folder(stack, "acme")
    with authority(tmp_path / "acme", stack.address[1]) as acme, Load([get(f"{stack.url}/flask/json")]) as load:
        try:
            first = taken_in(stack, acme.client(webroot, "run"), acme.files)
            renewed = taken_in(stack, acme.client(webroot, "renew", "--days", "9999", "--no-random-sleep"), acme.files)
        finally:
            assert stack.ponte("reload").returncode == 0

    assert first != renewed
    assert not load.lost
    assert not list((webroot / ".well-known" / "acme-challenge").iterdir()), "answers are taken away again"


def taken_in(stack: Stack, client: subprocess.CompletedProcess[str], files: dict[str, str]) -> bytes:
    """The certificate the edge shows after `./ponte reload`: the one that the client brought."""
    assert client.returncode == 0, client.stderr
    reload = stack.ponte("reload", **files)
    assert reload.returncode == 0, reload.stderr
    brought = tls.der(Path(files["TLS_CERT"]).read_bytes())
    until(lambda: tls.served(stack.tls_address) == brought)
    return brought


FILE = "templates/snippets/acme.conf.template"
MUTATIONS = [
    ("templates/snippets/routes.conf.template", "include snippets/acme.conf;", ""),
    (FILE, 'root "${PONTE_ACME}";', 'root "${PONTE_SITE}";'),
    (FILE, "default_type", "auth_basic mine; auth_basic_user_file none; default_type"),
    ("templates/snippets/https.conf.template", '"~^http:/\\.well-known/acme-challenge/" "";', ""),
]


def brings(mutated: Mutated, tmp_path: Path, *mutation: str) -> bool:
    with (
        mutated(*mutation, listen_tls=tls.port(), https_redirect=True) as edge_,
        authority(tmp_path / "authority", edge_.address[1]) as acme,
    ):
        return acme.client(edge_.settings.acme, "run").returncode == 0


def test_an_authority_is_answered_while_everybody_else_is_led_to_https(mutated: Mutated, tmp_path: Path) -> None:
    assert brings(mutated, tmp_path)


@pytest.mark.parametrize(("file", "good", "bad"), MUTATIONS)
def test_an_edge_that_does_not_answer_it_is_caught(
    mutated: Mutated, tmp_path: Path, file: str, good: str, bad: str
) -> None:
    assert not brings(mutated, tmp_path, file, good, bad)
