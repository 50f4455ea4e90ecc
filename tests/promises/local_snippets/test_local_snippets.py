"""Configuration of one's own: included, reloaded, refused when broken, never committed."""

import os
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest

from deploy import edge
from deploy.errors import Failure
from deploy.ports import free_port
from tests import wire
from tests.config.edge import HOST, Outside, Running, copy_of_source, running
from tests.config.test_edge_container import entrypoint, needs_envsubst
from tests.contract import ROOT
from tests.promises.security_headers.clients import asking
from tests.waiting import until

LOCATION = 'location = /mine {{ default_type text/plain; return 200 "{}"; }}\n'
SERVER = 'server {{ listen {}; default_type text/plain; return 200 "my server"; }}\n'
BROKEN = "location /mine { perhaps; }\n"


def write(source: Path, server: str, text: str = "first") -> None:
    local = source / "local"
    (local / "http").mkdir(exist_ok=True)
    (local / "mine.conf").write_text(LOCATION.format(text))
    (local / "http" / "server.conf").write_text(SERVER.format(server))


@pytest.fixture
def own(nginx: Path, tmp_path: Path):
    """`with own(...) as edge_:` an edge with a location and a server of its user, and one file of ours changed."""
    source, server = copy_of_source(tmp_path), f"{HOST}:{free_port()}"
    write(source, server)

    def start(file: str = "nginx.conf", good: str = "", bad: str = ""):
        text = (source / file).read_text()
        assert good in text
        (source / file).write_text(text.replace(good, bad) if good else text)
        return running(tmp_path, nginx, source=source, listen_tls=(f"{HOST}:{free_port()}",))

    start.source, start.server = source, server  # type: ignore[attr-defined]
    return start


def holds(edge_: Running, server: str) -> None:
    for protocol in ("HTTP/1.1", "HTTP/2"):
        with asking(edge_, protocol) as client:
            mine = client.get("/mine")
        assert (mine.status_code, mine.text) == (200, "first")
        assert mine.headers["x-frame-options"] == "SAMEORIGIN"
    assert body(wire.address(server)) == b"my server"


def body(address: wire.Address) -> bytes:
    with suppress(ConnectionRefusedError):
        return Outside(address).ask("/").body
    return b""


def reload(edge_: Running, nginx: Path, source: Path) -> None:
    """As the native engine does it."""
    edge.install(edge_.settings, edge_.out, nginx, source)
    os.kill(int(edge_.settings.pid.read_text()), signal.SIGHUP)


MUTATIONS = [
    ("templates/snippets/routes.conf.template", "include local/*.conf;", ""),
    ("nginx.conf", "include local/http/*.conf;", ""),
]


def test_own_files_are_included(own) -> None:
    with own() as edge_:
        holds(edge_, own.server)


def test_a_reload_brings_in_what_changed_and_takes_out_what_was_deleted(own, nginx: Path) -> None:
    with own() as edge_:
        write(own.source, own.server, "second")
        reload(edge_, nginx, own.source)
        until(lambda: edge_.ask("/mine").body == b"second")

        for path in own.source.glob("local/**/*.conf"):
            path.unlink()
        reload(edge_, nginx, own.source)
        until(lambda: edge_.ask("/mine").status == 404)


def test_a_broken_file_is_refused_by_name_while_the_old_one_serves(own, nginx: Path) -> None:
    with own() as edge_:
        (own.source / "local" / "mine.conf").write_text(BROKEN)
        with pytest.raises(Failure, match=r'unknown directive "perhaps" in \S*local/mine.conf:1'):
            reload(edge_, nginx, own.source)

        os.kill(int(edge_.settings.pid.read_text()), signal.SIGHUP)
        holds(edge_, own.server)


@needs_envsubst
def test_a_container_includes_the_same_files(own, nginx: Path, tmp_path: Path) -> None:
    chosen = {
        "PONTE_SOURCE": str(own.source),
        "PONTE_TEMP": str(tmp_path / "tmp"),
        "PONTE_CACHE": str(tmp_path / "kept"),
    }
    ran = entrypoint(nginx, tmp_path / "out", **chosen)

    assert (ran.returncode, ran.stderr) == (0, "")
    for name in ("mine.conf", "http/server.conf"):
        assert (tmp_path / "out" / "local" / name).read_text() == (own.source / "local" / name).read_text()
    (own.source / "local" / "mine.conf").write_text(BROKEN)
    refused = entrypoint(nginx, tmp_path / "out", **chosen)
    assert refused.returncode == 2 and "local/mine.conf:1" in refused.stderr
    assert "first" in (tmp_path / "out" / "local" / "mine.conf").read_text()


def test_git_ignores_own_files() -> None:
    if subprocess.run(["git", "rev-parse"], cwd=ROOT, capture_output=True).returncode:
        pytest.skip("this copy is no git repository")
    own_files = ["nginx/local/mine.conf", "nginx/local/http/mine.conf", "nginx/local/notes.md"]

    ignored = subprocess.run(["git", "check-ignore", *own_files], cwd=ROOT, capture_output=True, text=True)

    assert ignored.stdout.splitlines() == own_files


@pytest.mark.full
@pytest.mark.parametrize(("file", "good", "bad"), MUTATIONS)
def test_an_include_that_is_missing_is_caught(own, file: str, good: str, bad: str) -> None:
    with own(file, good, bad) as edge_, pytest.raises(AssertionError):
        holds(edge_, own.server)
