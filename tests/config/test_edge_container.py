"""One configuration for every engine: the container's renderer and the native one write the same bytes."""

import os
import re
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from deploy import edge
from tests.config.edge import settings
from tests.config.edge_cases import DIFFERENT, NAMED, rendered

ENTRYPOINT = edge.SOURCE / "entrypoint.sh"
needs_envsubst = pytest.mark.skipif(not shutil.which("envsubst"), reason="envsubst is absent: install gettext-base")


def entrypoint(nginx: Path, out: Path, word: str = "render", **variables: str) -> subprocess.CompletedProcess[str]:
    plain = {
        "PATH": os.environ["PATH"],
        "NGINX_BIN": str(nginx),
        "PONTE_SOURCE": str(edge.SOURCE),
        "PONTE_OUT": str(out),
        # (!) Else those of the image, which root alone may make.
        "PONTE_TEMP": f"{out}.tmp",
        "PONTE_CACHE": f"{out}.answers",
    }
    return subprocess.run([ENTRYPOINT, word], env=plain | variables, capture_output=True, text=True, timeout=60)


@needs_envsubst
@pytest.mark.parametrize("case", DIFFERENT)
def test_container_and_native_engine_render_the_same_bytes(nginx: Path, tmp_path: Path, case: str) -> None:
    chosen = settings(tmp_path, nginx, **DIFFERENT[case])
    edge.install(chosen, tmp_path / "native", nginx)

    ran = entrypoint(nginx, tmp_path / "container", **edge.variables(chosen))

    assert (ran.returncode, ran.stderr) == (0, "")
    assert rendered(tmp_path / "container") == rendered(tmp_path / "native")


@needs_envsubst
def test_two_at_a_time_do_not_meet(nginx: Path, tmp_path: Path) -> None:
    """A reload whose caller was killed goes on, and the next command begins its own."""
    values = edge.variables(settings(tmp_path, nginx))

    with ThreadPoolExecutor(3) as pool:
        ran = list(pool.map(lambda _: entrypoint(nginx, tmp_path / "container", **values), range(3)))

    assert {(each.returncode, each.stderr) for each in ran} == {(0, "")}


@needs_envsubst
@pytest.mark.parametrize("bind", ["127.0.0.1", "0.0.0.0", "::", "192.0.2.7", "2001:db8::7"])
def test_container_computes_its_values_by_the_native_rules(nginx: Path, tmp_path: Path, bind: str) -> None:
    listen = "127.0.0.1:8080" if bind == "127.0.0.1" else "0.0.0.0:8080"  # not every machine has these addresses
    host = {"127.0.0.1": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "[::1]", "2001:db8::7": "[2001:db8::7]"}.get(
        bind, bind
    )
    (tmp_path / "resolv.conf").write_text(
        "search lan\nnameserver 127.0.0.11\nnameserver fd00::1\nnameserver fe80::1%eth0\n"
    )
    chosen = replace(
        settings(tmp_path, nginx, listen=(listen,), upstreams=NAMED, resolver=("127.0.0.11", "[fd00::1]")),
        locust="locust:8089",
        listen_tls=("8443",),
        https_port=443,
        https_redirect=True,
        hsts=True,
        trusted_proxies=("10.0.0.0/8", "fd00::/8"),
        rate_limit=7,
        connection_limit=50,
        limit_exempt=("192.0.2.1",),
        password=True,
        http2=frozenset({"django", "django-asgi", "fastapi"}),
        release="2026-11-21",
        server_names=("shop.test", "*.shop.test", "[::1]", "shop.test", host),
        max_upload=512 * 1024,
        workers=edge.workers(),
        files=edge.open_files(),
    )
    edge.render(chosen, tmp_path / "native")
    native = edge.variables(chosen)
    (chosen.credentials / "users").write_text("somebody:$2y$05$hash")
    places = (
        "CREDENTIALS",
        "CACHE",
        "ACME",
        "STATUS",
        "LISTEN",
        "LISTEN_UNKNOWN",
        "PID",
        "TEMP",
        "SITE",
        "STATIC",
        "REPORTS",
        "ACCESS_LOG",
        "LOG_BUFFER",
        "ERROR_LOG",
        "USER",
    )

    ran = entrypoint(
        nginx,
        tmp_path / "container",
        **{f"PONTE_{name}": native[f"PONTE_{name}"] for name in places},
        SERVER_NAMES="shop.test *.shop.test [::1] shop.test",
        BIND_ADDRESS=bind,
        MAX_UPLOAD="512k",
        STAGE="production",
        HTTPS_PORT="443",
        TRUSTED_PROXIES="10.0.0.0/8, fd00::/8",
        RATE_LIMIT="7",
        LIMIT_EXEMPT="192.0.2.1",
        UPSTREAM_HTTP2="1",
        FLASK_UPSTREAM_HTTP2="0",
        RELEASE="2026-11-21",
        PONTE_RESOLV_CONF=str(tmp_path / "resolv.conf"),
    )

    assert rendered(tmp_path / "container") == rendered(tmp_path / "native"), ran.stderr


@needs_envsubst
@pytest.mark.parametrize(("domain", "behind"), [("", ""), ("shop.svc.cluster.local", ".shop.svc.cluster.local")])
def test_a_service_is_asked_for_by_its_whole_name(nginx: Path, tmp_path: Path, domain: str, behind: str) -> None:
    ran = entrypoint(nginx, tmp_path, SERVICE_DOMAIN=domain, PONTE_RESOLVER="resolver 127.0.0.1;")

    upstreams = (tmp_path / "conf.d" / "upstreams.conf").read_text()
    assert re.findall(r"^    server (\S+) resolve ", upstreams, re.MULTILINE) == [
        f"{name}{behind}:{port}" for name, port in (member.split(":") for (member,) in NAMED.values())
    ], ran.stderr
    assert f'"locust{behind}:8089"' in (tmp_path / "snippets" / "locust.conf").read_text()


@needs_envsubst
@pytest.mark.parametrize(
    ("variable", "value", "sentence"),
    [
        ("SERVER_NAMES", "localhost:8080", "SERVER_NAMES holds 'localhost:8080'"),
        ("SERVER_NAMES", "a;b", "SERVER_NAMES holds 'a;b'"),
        ("MAX_UPLOAD", "lots", "MAX_UPLOAD='lots' is not a size"),
        ("MAX_UPLOAD", "0", "MAX_UPLOAD='0' is not a size"),
        ("STAGE", "prod", "STAGE='prod' is unknown; choose from local, production"),
        ("HSTS", "yes", "HSTS='yes' is not a switch; choose from 0, 1"),
        ("UPSTREAM_HTTP2", "2", "UPSTREAM_HTTP2='2' is not a switch; choose from 0, 1"),
        ("DJANGO_ASGI_UPSTREAM_HTTP2", "on", "DJANGO_ASGI_UPSTREAM_HTTP2='on' is not a switch"),
        ("RATE_LIMIT", "-1", "RATE_LIMIT='-1' is not a number"),
        ("TRUSTED_PROXIES", "10.0.0.0/8,load-balancer", "TRUSTED_PROXIES holds 'load-balancer'"),
        ("TRUSTED_PROXIES", "0.0.0.0/0", "TRUSTED_PROXIES trusts everybody"),
        ("SERVICE_DOMAIN", "shop;", "SERVICE_DOMAIN='shop;' is no domain"),
    ],
)
def test_container_refuses_a_wrong_value_in_one_sentence(
    nginx: Path, tmp_path: Path, variable: str, value: str, sentence: str
) -> None:
    ran = entrypoint(nginx, tmp_path / "out", "run", **{variable: value})

    assert ran.returncode == 2
    assert sentence in ran.stderr
    assert ran.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("files_", "quota"),
    [
        ({"cpu.max": "max 100000"}, None),
        ({"cpu.max": "150000 100000"}, 2),
        ({"cpu.max": "50000 100000"}, 1),
        ({"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, None),
        ({"cpu/cpu.cfs_quota_us": "100000", "cpu/cpu.cfs_period_us": "100000"}, 1),
        ({}, None),
    ],
)
def test_workers_follow_the_quota_of_the_cgroup(
    nginx: Path, tmp_path: Path, files_: dict[str, str], quota: int | None
) -> None:
    for name, text in files_.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text + "\n")
    have = len(os.sched_getaffinity(0))

    assert edge.workers(tmp_path) == min(have, quota or have)
    if shutil.which("envsubst"):
        out = tmp_path / "out"
        ran = entrypoint(nginx, out, PONTE_CGROUP=str(tmp_path), PONTE_RESOLVER="resolver 127.0.0.1;")
        assert f"worker_processes {min(have, quota or have)};" in (out / "process.conf").read_text(), ran.stderr


def test_every_variable_is_used_by_a_template_and_set_by_both_renderers(nginx: Path, tmp_path: Path) -> None:
    templates = "".join(path.read_text() for path in (edge.SOURCE / "templates").rglob("*.template"))
    needed = " ".join(edge.needs(path.read_text()) for path in edge.SOURCE.glob("**/features/**/*") if path.is_file())
    used = set(re.findall(r"PONTE_[A-Z0-9_]+", " ".join([*re.findall(r"\$\{.*?\}", templates), needed])))
    container = set(re.findall(r"^    .*\{(PONTE_[A-Z0-9_]+)(?:=|\+set)", ENTRYPOINT.read_text(), re.MULTILINE))

    assert set(edge.variables(settings(tmp_path, nginx))) == used == container
