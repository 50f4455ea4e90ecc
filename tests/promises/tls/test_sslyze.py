"""Mozilla's intermediate configuration, as sslyze understands it: see promise.md."""

import re
import subprocess
import sys

import pytest

from tests import tls
from tests.config.edge import Outside
from tests.promises.conftest import Mutated
from tests.promises.tls.test_tls import OLD

pytestmark = pytest.mark.full
THROWAWAY = {"certificate_path_validation"}  # no trust store knows an authority that this machine made


def findings(front: Outside) -> set[str]:
    host, port = front.tls  # type: ignore[misc]
    argv = [sys.executable, "-m", "sslyze", "--mozilla_config=intermediate", f"localhost:{port}{{{host}}}"]
    said = subprocess.run(argv, capture_output=True, text=True, timeout=50).stdout
    return set(re.findall(r"^ +\* (\w+):", said.partition("COMPLIANCE AGAINST")[2], re.MULTILINE))


def holds(front: Outside) -> None:
    assert findings(front) == THROWAWAY


def test_mozilla_s_intermediate_configuration_is_kept(front: Outside) -> None:
    holds(front)


def test_the_edge_before_stubs_keeps_it_too(mutated: Mutated) -> None:
    with mutated(listen_tls=tls.port()) as edge_:
        holds(edge_)


MUTATIONS = [
    ("snippets/tls.conf", "TLSv1.2 TLSv1.3;", OLD, "tls_versions"),
    ("snippets/tls.conf", "ssl_ciphers ", "ssl_ciphers ECDHE-ECDSA-AES128-SHA256:", "ciphers"),
    ("features/curves.conf", "X25519:", "secp521r1:X25519:", "tls_curves"),
]


@pytest.mark.parametrize(("file", "good", "bad", "finding"), MUTATIONS)
def test_what_is_not_in_it_is_caught(mutated: Mutated, file: str, good: str, bad: str, finding: str) -> None:
    with mutated(file, good, bad, listen_tls=tls.port()) as edge_, pytest.raises(AssertionError, match=finding):
        holds(edge_)
