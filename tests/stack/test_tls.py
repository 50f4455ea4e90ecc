"""HTTPS of a real stack: certificates of one's own come and go, and what only one engine's nginx can do."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from deploy.ports import free_port
from tests import tls
from tests.engine import UP_SECONDS, Stack, remove
from tests.load import Ask, Load, get
from tests.oracle import watched
from tests.stack.test_lifecycle import another, assert_one_sentence
from tests.waiting import until

pytestmark = [pytest.mark.own_stack, pytest.mark.timeout(180)]
SEVERAL = 8  # connections: one alone may be taken by a new worker
OWN = tls.issued("localhost", "127.0.0.1")
BAD = {
    "the key of another": (OWN[0], tls.issued("localhost")[1], "TLS_KEY is not the key of"),
    "expired": (*tls.issued("localhost", days=-1, since=-90), "TLS_CERT expired on"),
    "no PEM": (b"127.0.0.1 localhost\n", b"127.0.0.1 localhost\n", "TLS_CERT is no PEM file"),
    "half of it": (OWN[0], b"", "TLS_KEY is missing or empty"),
}


@pytest.fixture
def as_before(stack: Stack) -> Iterator[None]:
    """(!) As with nginx itself, workers of the old configuration take connections for a moment after a reload."""
    yield
    assert stack.ponte("reload").returncode == 0
    until(lambda: all(old_workers_are_gone(stack) for _ in range(SEVERAL)))


def old_workers_are_gone(stack: Stack) -> bool:
    return tls.served(stack.tls_address) != tls.der(OWN[0]) and not redirect(stack)


def words(folder: Path, certificate: bytes, key: bytes) -> list[str]:
    return [f"{name}={path}" for name, path in tls.put(folder, certificate, key).items()]


def over_tls(url: str) -> Ask:
    """In a connection that is kept, as a browser's is."""
    client = httpx.Client(verify=tls.context(), timeout=35)
    return lambda _: client.get(url)


def secure(stack: Stack, path: str) -> str:
    return stack.tls_url + path


def test_the_certificate_of_a_fresh_stack_is_for_its_names(stack: Stack) -> None:
    answer = httpx.get(secure(stack, "/fastapi/headers"), verify=tls.context()).json()

    assert answer["scheme"] == "https"
    assert tls.served(stack.tls_address, "localhost") == tls.served(stack.tls_address, "nginx")


@pytest.mark.full
@pytest.mark.usefixtures("as_before")
def test_a_certificate_of_ones_own_is_taken_in_while_requests_run(stack: Stack, tmp_path: Path) -> None:
    paths = [secure(stack, path) for path in ("/flask/json", "/fastapi/json", "/")]
    others = [get(f"{stack.url}/"), *map(over_tls, paths)]
    with watched(stack, tmp_path / "seen", "fastapi") as seen, Load(others) as load:
        answer = stack.ponte("reload", *words(tmp_path, *OWN))

        assert answer.returncode == 0, answer.stderr
        until(lambda: tls.served(stack.tls_address) == tls.der(OWN[0]))

    assert not seen.wrong
    assert load.answers and not load.lost


@pytest.mark.parametrize("bad", BAD)
def test_a_certificate_nginx_could_not_use_is_refused_and_the_old_one_is_served(
    stack: Stack, tmp_path: Path, bad: str
) -> None:
    certificate, key, sentence = BAD[bad]
    before = tls.served(stack.tls_address)
    answer = stack.ponte("reload", *words(tmp_path, certificate, key))

    assert answer.returncode == 2, answer.stdout + answer.stderr
    assert_one_sentence(answer.stderr)
    assert sentence in answer.stderr
    assert tls.served(stack.tls_address) == before


def test_a_certificate_that_is_not_there_is_refused(stack: Stack, tmp_path: Path) -> None:
    answer = stack.ponte("reload", f"TLS_CERT={tmp_path}/none.pem", f"TLS_KEY={tmp_path}/none.key")

    assert answer.returncode == 2
    assert_one_sentence(answer.stderr)
    assert "none.pem' cannot be read: No such file" in answer.stderr


@pytest.fixture
def other(stack: Stack) -> Iterator[Stack]:
    """A second stack, which is not up, and of which nothing stays."""
    made = another(stack, HTTP_PORT=str(free_port()), HTTPS_PORT=str(free_port()))
    yield made
    remove(made)


@pytest.mark.full
@pytest.mark.timeout(UP_SECONDS)
def test_a_stack_is_not_started_with_a_bad_certificate(other: Stack, tmp_path: Path) -> None:
    certificate, key, sentence = BAD["the key of another"]
    answer = other.ponte("up", *words(tmp_path, certificate, key), seconds=UP_SECONDS)

    assert answer.returncode == 2, answer.stdout + answer.stderr
    assert_one_sentence(answer.stderr)
    assert sentence in answer.stderr
    assert "starting" not in answer.stdout + answer.stderr
    assert other.ponte("ps").returncode == 3


def test_a_certificate_of_the_stack_s_own_is_renewed_by_up_in_its_last_month(stack: Stack) -> None:
    old, key = tls.issued("localhost", "127.0.0.1", days=29)
    for name, content in (("certificate.pem", old), ("key.pem", key)):
        (tls.folder(stack, "credentials") / name).write_bytes(content)
    answer = stack.ponte("up")

    assert answer.returncode == 0, answer.stderr
    assert "the certificate was renewed" in answer.stdout + answer.stderr
    until(lambda: tls.days_left(tls.served(stack.tls_address)) > 89)


@pytest.mark.usefixtures("as_before")
def test_http_leads_to_https_once_it_is_turned_on(stack: Stack) -> None:
    assert stack.ponte("reload", "HTTPS_REDIRECT=1").returncode == 0
    answer = until(lambda: redirect(stack))

    assert (answer.status_code, answer.headers["location"]) == (308, secure(stack, "/flask/json?a=1"))
    assert httpx.get(answer.headers["location"], verify=tls.context()).status_code == 200
    assert httpx.get(f"{stack.url}/healthz").status_code == 200


def redirect(stack: Stack) -> httpx.Response | None:
    """Once the old workers take no more connections."""
    answer = httpx.get(f"{stack.url}/flask/json?a=1")
    return answer if answer.status_code != 200 else None


# ------------------------------------------------------------------------------ what one nginx can, and another cannot


def test_an_nginx_without_http3_refuses_it_before_anything_starts(stack: Stack, other: Stack) -> None:
    if stack.engine != "native":
        pytest.skip("the image's nginx speaks HTTP/3")
    answer = other.ponte("up", "HTTP3=1")
    if answer.returncode == 0:
        pytest.skip("this machine's nginx speaks HTTP/3")

    assert answer.returncode == 3, answer.stdout + answer.stderr
    assert_one_sentence(answer.stderr)
    assert "HTTP3=1 needs an nginx built --with-http_v3_module" in answer.stderr
    assert "starting" not in answer.stdout + answer.stderr


@pytest.fixture
def container(stack: Stack) -> str:
    if stack.engine == "native":
        pytest.skip("of the image: the nginx pip brings has an older OpenSSL and no HTTP/3")
    return str(stack.replicas("nginx")[0]["id"])


def inside(container: str, *argv: str, **environ: str) -> subprocess.CompletedProcess[str]:
    given = [word for name, value in environ.items() for word in ("--env", f"{name}={value}")]
    return subprocess.run(["docker", "exec", *given, container, *argv], capture_output=True, text=True, timeout=30)


def test_key_exchange_is_closed_to_the_quantum_computers_of_tomorrow(container: str) -> None:
    said = inside(container, "openssl", "s_client", "-connect", "127.0.0.1:8443", "-servername", "localhost", "-brief")

    assert "X25519MLKEM768" in said.stdout + said.stderr


def test_http3_is_rendered_and_accepted_by_the_image(container: str) -> None:
    rendering = inside(container, "/etc/ponte/nginx/entrypoint.sh", "render", HTTP3="1", PONTE_OUT="/tmp/http3")
    rendered = inside(container, "cat", "/tmp/http3/conf.d/https.conf", "/tmp/http3/snippets/https.conf")
    inside(container, "rm", "-r", "/tmp/http3")

    assert rendering.returncode == 0, rendering.stderr
    assert "listen 8443 quic reuseport default_server;" in rendered.stdout
    assert f'h3=":{inside(container, "printenv", "HTTPS_PORT").stdout.strip()}"; ma=86400' in rendered.stdout
