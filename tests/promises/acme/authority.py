"""A whole ACME authority on this machine (pebble), and a client of it (lego)."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import trustme

from deploy.ports import free_port
from tests import tls, wire
from tests.config.edge import HOST
from tests.waiting import until

LACKING = [name for name in ("pebble", "lego") if not shutil.which(name)]
# It would wait for seconds before it asks, refuse some requests on purpose, and not ask again for a renewal.
PEBBLE = {"PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": "0", "PEBBLE_AUTHZREUSE": "0"}


class Authority:
    def __init__(self, folder: Path, asks_at: int):
        """`asks_at`: the port where it looks for an answer, which is 80 everywhere else."""
        self.folder, self.port = folder, free_port()
        leaf = trustme.CA().issue_cert(HOST)
        (folder / "authority.pem").write_bytes(leaf.cert_chain_pems[0].bytes())
        (folder / "authority.key").write_bytes(leaf.private_key_pem.bytes())
        settings = {
            "listenAddress": f"{HOST}:{self.port}",
            "managementListenAddress": f"{HOST}:{free_port()}",
            "certificate": str(folder / "authority.pem"),
            "privateKey": str(folder / "authority.key"),
            "httpPort": asks_at,
            "tlsPort": free_port(),
        }
        (folder / "pebble.json").write_text(json.dumps({"pebble": settings}))

    def answers(self) -> bool:
        try:
            return b" 200 " in tls.exchange((HOST, self.port), wire.request("GET /dir HTTP/1.1"))
        except OSError:
            return False

    def client(self, webroot: Path, *words: str) -> subprocess.CompletedProcess[str]:
        """The command of docs/edge.md, with this authority in the place of a public one."""
        argv = ["lego", "--server", f"https://{HOST}:{self.port}/dir", "--path", str(self.folder / "lego")]
        argv += ["--email", "you@shop.test", "--accept-tos", "--domains", "localhost"]
        argv += ["--http", "--http.webroot", str(webroot), *words]
        environ = {**os.environ, "LEGO_CA_CERTIFICATES": str(self.folder / "authority.pem")}
        return subprocess.run(argv, env=environ, capture_output=True, text=True, timeout=60)

    @property
    def files(self) -> dict[str, str]:
        """By the variables that take them in."""
        made = self.folder / "lego" / "certificates"
        return {"TLS_CERT": str(made / "localhost.crt"), "TLS_KEY": str(made / "localhost.key")}


@contextmanager
def authority(folder: Path, asks_at: int) -> Iterator[Authority]:
    folder.mkdir()
    made = Authority(folder, asks_at)
    with (folder / "pebble.log").open("wb") as log:
        argv = ["pebble", "-config", str(folder / "pebble.json")]
        process = subprocess.Popen(argv, env={**os.environ, **PEBBLE}, stdout=log, stderr=log)
        try:
            until(made.answers)
            yield made
        finally:
            process.kill()
            process.wait()
