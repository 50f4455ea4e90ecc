"""`python -m deploy.systemd.certificates`: takes in a certificate that was renewed, and changes nothing else.

No configuration is rendered, so none has to be tested, and whoever runs this needs no right to become nginx's user.
"""

import os
import sys

from deploy.cli import fail
from deploy.console import Console
from deploy.engines.systemd import Systemd
from deploy.errors import Failure
from deploy.native import credentials
from deploy.settings import load
from deploy.state import alone
from deploy.systemd import units


def take(engine: Systemd) -> bool:
    """True when nginx has another certificate now."""
    settings, certificate = engine.remembered(engine.record()), engine.layout.credentials / "certificate.pem"
    before = certificate.read_bytes()
    credentials.put(settings, engine.layout)
    if certificate.read_bytes() == before:
        return False
    engine.keeper.must("reload", units.ONE["nginx"])
    return True


def main() -> int:
    settings, say = load({}, os.environ), Console()
    try:
        with alone(settings.run, "certificates"):
            say("nginx has the new certificate" if take(Systemd(settings, say)) else "the certificate is as it was")
    except Failure as failure:
        return fail(str(failure), failure.code)
    return 0


if __name__ == "__main__":
    sys.exit(main())
