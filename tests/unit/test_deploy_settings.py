from pathlib import Path

import pytest

from deploy.errors import Refused
from deploy.settings import Settings, load
from deploy.variables import SERVICES, unknown


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / ".env").write_text("HTTP_PORT=1111\nLOCUST_PORT=1111\nFLASK_REPLICAS=3\n")
    return tmp_path


def settings(root: Path, environ: dict[str, str] | None = None, **words: str) -> Settings:
    return load(words, environ or {}, root)


def test_words_win_over_the_environment_that_over_the_file_that_over_the_defaults(root: Path):
    found = settings(root, {"HTTP_PORT": "2222", "LOCUST_PORT": "2222"}, HTTP_PORT="3333")

    assert (found.http_port, found.locust_port, found.replicas["flask"], found.replicas["django"]) == (3333, 2222, 3, 2)


def test_an_empty_value_is_unset_everywhere(root: Path):
    assert settings(root, {"HTTP_PORT": ""}, HTTP_PORT="  ").http_port == 1111


def test_only_what_somebody_set_is_given_and_the_file_is_no_word(root: Path):
    found = settings(root, {"HOME": "/h", "THREADS": "4"}, DEV="1")

    assert found.given == {
        "DEV": "1",
        "HTTP_PORT": "1111",
        "LOCUST_PORT": "1111",
        "FLASK_REPLICAS": "3",
        "THREADS": "4",
    }
    assert found.words == {"DEV": "1", "THREADS": "4"}


def test_a_service_has_its_own_value_before_everybodys(root: Path):
    found = settings(root, THREADS="4", DJANGO_ASGI_THREADS="2")

    assert [found.app("THREADS", name) for name in SERVICES] == ["4", "4", "2", "4"]
    assert found.app("DATABASE_POOL", "flask") == "4"


def test_http2_is_spoken_to_services_that_ask_for_it(root: Path) -> None:
    assert settings(root).http2 == set()
    assert settings(root, UPSTREAM_HTTP2="1", DJANGO_ASGI_UPSTREAM_HTTP2="0").http2 == {"flask", "django", "fastapi"}


def test_the_apps_get_what_was_set_and_no_default(root: Path):
    assert settings(root, LOG_LEVEL="debug", NGINX_BIN="/n", DEV="1").app_environment == {
        "LOG_LEVEL": "debug",
        "DEV": "1",
    }


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("ENGINE", "podman", "ENGINE='podman' is unknown; choose from auto, compose, native, swarm, systemd"),
        ("STAGE", "prod", "STAGE='prod' is unknown; choose from local, production"),
        ("HTTP_PORT", "65536", "HTTP_PORT='65536' is not a port; choose from 1 to 65535"),
        ("HTTPS_PORT", "0", "HTTPS_PORT='0' is not a port; choose from 1 to 65535"),
        ("HSTS", "on", "HSTS='on' is not a switch; choose from 0, 1"),
        ("RATE_LIMIT", "10r/s", "RATE_LIMIT='10r/s' is not a limit; choose from 0 to 100000"),
        (
            "LIMIT_EXEMPT",
            "10.0.0.0/8, office",
            "LIMIT_EXEMPT='10.0.0.0/8, office' holds 'office', which is no address and no network; write such as 10.0.0.0/8",
        ),
        (
            "TRUSTED_PROXIES",
            "::/0",
            "TRUSTED_PROXIES='::/0' trusts everybody, who could then claim to be anybody; name the networks of your proxies",
        ),
        ("HTTP_PORT", "٨٠", "HTTP_PORT='٨٠' is not a port; choose from 1 to 65535"),
        ("FLASK_REPLICAS", "0", "FLASK_REPLICAS='0' is not a replica count; choose from 1 to 64"),
        ("FASTAPI_REPLICAS", "65", "FASTAPI_REPLICAS='65' is not a replica count; choose from 1 to 64"),
        ("FASTAPI_REPLICAS", "+2", "FASTAPI_REPLICAS='+2' is not a replica count; choose from 1 to 64"),
        ("DEV", "yes", "DEV='yes' is not a switch; choose from 0, 1"),
        ("LOG_LEVEL", "loud", "LOG_LEVEL='loud' is unknown; choose from debug, info, warning, error, critical"),
    ],
)
def test_a_wrong_value_is_quoted_with_the_choices(root: Path, name: str, value: str, sentence: str):
    with pytest.raises(Refused) as refusal:
        settings(root, **{name: value})

    assert (str(refusal.value), refusal.value.code) == (sentence, 2)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("BIND_ADDRESS", "localhost"),
        ("MAX_UPLOAD", "0"),
        ("MAX_UPLOAD", "1t"),
        ("COMPOSE_PROJECT_NAME", "Ponte"),
        ("SERVER_NAMES", "a;b"),
        ("RELEASE", "r 1"),
        ("GRACEFUL_TIMEOUT", "0"),
    ],
)
def test_what_no_part_could_use_is_refused(root: Path, name: str, value: str):
    with pytest.raises(Refused, match=f"^{name}="):
        settings(root, **{name: value})


@pytest.mark.parametrize(
    ("address", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:1111"),
        ("0.0.0.0", "http://127.0.0.1:1111"),
        ("::1", "http://[::1]:1111"),
        ("192.0.2.7", "http://192.0.2.7:1111"),
    ],
)
def test_the_address_is_one_a_browser_here_can_open(root: Path, address: str, url: str):
    found = settings(root, BIND_ADDRESS=address)

    assert found.url == url
    assert url.removeprefix("http://").removesuffix(":1111") in found.server_names


def test_sizes_are_bytes():
    assert [settings(Path("/nowhere"), MAX_UPLOAD=text).max_upload for text in ("10", "1K", "2m", "1g")] == [
        10,
        1024,
        2 * 1024**2,
        1024**3,
    ]


def test_a_stack_keeps_the_settings_it_was_started_with(root: Path):
    started = settings(root, HTTP_PORT="3333")

    assert settings(root).again(started.given, started.words) == started


def test_a_name_that_is_nearly_ours_is_noticed_and_others_are_not():
    assert unknown(["FLASK_REPLICA", "HTTP_PROT", "HTTP_PORT", "AWS_REGION"]) == {
        "FLASK_REPLICA": "FLASK_REPLICAS",
        "HTTP_PROT": "HTTP_PORT",
    }


@pytest.mark.parametrize(
    ("given", "port"),
    [
        ({"HTTP_PORT": "8080"}, 8443),
        ({"HTTP_PORT": "80"}, 443),
        ({"HTTP_PORT": "8081"}, 8444),
        ({"HTTP_PORT": "65535"}, 8443),
    ],
)
def test_the_port_of_https_goes_with_that_of_http(root: Path, given: dict[str, str], port: int):
    assert settings(root, **given).https_port == port
    assert settings(root, **given, HTTPS_PORT="4433").https_port == 4433


def test_production_leads_to_https_and_counts_requests_unless_told_otherwise(root: Path):
    local, production = settings(root), settings(root, STAGE="production")
    open_ = settings(root, STAGE="production", HTTPS_REDIRECT="0", HSTS="0", RATE_LIMIT="0", CONNECTION_LIMIT="7")

    assert [edge_of(each) for each in (local, production, open_)] == [
        (False, False, 0, 0),
        (True, True, 50, 50),
        (False, False, 0, 7),
    ]


def edge_of(found: Settings) -> tuple[bool, bool, int, int]:
    return found.https_redirect, found.hsts, found.rate_limit, found.connection_limit


def test_networks_are_read_in_any_spelling(root: Path):
    assert settings(root, TRUSTED_PROXIES="10.1.2.3/8 fd00::1").trusted_proxies == ("10.0.0.0/8", "fd00::1/128")
