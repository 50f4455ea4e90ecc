"""A registry on this machine, for what is put to one and got from one: Debian's docker-registry."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest

from deploy.ports import free_port
from tests.waiting import until

PROGRAM = "docker-registry"
CONFIGURATION = """version: 0.1
log: {{level: error}}
storage: {{filesystem: {{rootdirectory: {folder}}}}}
http: {{addr: "{address}:{port}"}}
"""


@contextmanager
def registry(folder: Path, address: str = "127.0.0.1") -> Iterator[str]:
    """Its address. (!) Docker believes 127.0.0.1 without a certificate."""
    if not shutil.which(PROGRAM):
        pytest.skip(f"{PROGRAM} is not installed: apt install {PROGRAM}")
    port, path = free_port(), folder / "registry.yml"
    path.write_text(CONFIGURATION.format(folder=folder / "registry", address=address, port=port))
    process = subprocess.Popen([PROGRAM, "serve", str(path)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until(lambda: answers(port))
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)
        forget(f"127.0.0.1:{port}/")


def forget(place: str) -> None:
    """What this machine's engine has under the registry's name."""
    listed = subprocess.run(
        ["docker", "image", "ls", "--format", "{{.Repository}}:{{.Tag}}"], capture_output=True, text=True
    )
    names = [name for name in listed.stdout.split() if name.startswith(place)]
    subprocess.run(["docker", "image", "rm", "--force", *names], capture_output=True) if names else None


def answers(port: int) -> bool:
    with suppress(httpx.HTTPError):
        return httpx.get(f"http://127.0.0.1:{port}/v2/").status_code == 200
    return False
