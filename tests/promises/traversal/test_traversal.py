"""Paths that try to leave the folder, or the service, they are about: see promise.md."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import pytest

from deploy import edge
from tests.config.edge import Answer, Outside, Running, settings
from tests.config.parsed import parse
from tests.contract import NAMES
from tests.promises.conftest import Mutated

STUBS = ("flask", "fastapi")
UP = ("..", "%2e%2e", ".%2e", "%2E.", "..;", "%2e%2e%3b", "..%00", "%252e%252e", "%c0%ae%c0%ae", "%e0%80%ae%e0%80%ae",
      "....")  # fmt: skip
SLASH = ("/", "%2f", "%5c", "\\", "//", "/./", "%252f", "%c0%af", "%e0%80%af", "/x/../", ";/")
# How far up -> what is to be found there, from one of the folders that are served.
TARGETS = ((1, "access.log"), (1, "nginx.conf"), (1, "README.md"), (1, "credentials/key.pem"), (12, "etc/passwd"))
# Not to climb, but to hide what the path is.
OTHERS = ("%00", "x%00.html", "/etc/passwd", "/%2fetc/passwd", "/nginx.conf", "/access.log", "%0d%0a", "/a/../b",
          "/a/%2e%2e/b")  # fmt: skip
# A line of each file that is worth having.
STOLEN = (b"root:x:0:", b"worker_processes", b"PRIVATE KEY", b'"service":"nginx"', b"how a request arrives", b"# Ponte")
HIDDEN = ("/metrics", "/%6detrics", "//metrics", "/x/../metrics", "/./metrics", "/%2e/metrics", "/%2Fmetrics")
WITHIN = ("/error.json", "/error.html", "/_closed", "//error.json", "/%65rror.json", "/static/../error.html")
REFUSED = {400, 404, 502}  # 502: where nobody is behind it, as for /locust/


@pytest.fixture(scope="module")
def locations(nginx: Path, tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """Of the configuration as it is rendered for any engine: a new one is tried by being there."""
    folder = tmp_path_factory.mktemp("rendered")
    edge.render(settings(folder, nginx), folder / "nginx")
    return prefixes(folder / "nginx")


def prefixes(out: Path) -> set[str]:
    """The path of every location, without its slash: "" for the site."""
    return {node.args[-1].rstrip("/") for node in parse(out).all("location")}


def holds(front: Outside, locations: set[str], services: tuple[str, ...] = STUBS) -> None:
    for location in sorted(locations):
        for path in climbing(location):
            assert_contained(path, front.ask(path))
    for service in services:
        assert {path: front.ask(f"/{service}{path}").status for path in HIDDEN} == dict.fromkeys(HIDDEN, 404)
    assert {path: front.ask(path).status for path in WITHIN} == dict.fromkeys(WITHIN, 404)


def climbing(location: str) -> Iterator[str]:
    """Out of a location, with its slash and, as an alias without one would let it, without."""
    for up, slash in (*((up, "/") for up in UP), *(("..", slash) for slash in SLASH), ("%2e%2e", "%2f")):
        for depth, target in TARGETS:
            yield f"{location}/{(up + slash) * depth}{target}"
            yield f"{location}{(up + slash) * depth}{target}" if location else f"/{up}{slash}"
    yield from (location + other for other in OTHERS if (location + other).startswith("/"))


def assert_contained(path: str, answer: Answer) -> None:
    assert not [line for line in STOLEN if line in answer.body], (path, answer.raw)
    if answer.status == 200 and answer.body.startswith(b'{"method"'):  # by a stub
        seen = answer.json["path"]
        assert ".." not in unquote(seen).split("/"), (path, seen)
    else:
        assert answer.status in REFUSED, (path, answer.raw)


@pytest.mark.parametrize("service", NAMES)
def test_nothing_outside_a_service_is_served(front: Outside, locations: set[str], service: str) -> None:
    holds(front, {each for each in locations if each.split("/")[1:2] == [service]}, (service,))


def test_nothing_outside_the_folders_is_served(front: Outside, locations: set[str]) -> None:
    holds(front, {each for each in locations if each.split("/")[1:2] not in [[name] for name in NAMES]}, ())


def test_the_edge_before_stubs_keeps_it(stubbed: Running, locations: set[str]) -> None:
    holds(stubbed, locations)


MUTATIONS = [
    ("templates/snippets/routes.conf.template", "location /static/ {", "location /static {"),
    ("templates/snippets/routes.conf.template", "location /reports/ {", "location /reports {"),
    ("templates/snippets/site.conf.template", 'root "${PONTE_SITE}";', 'root "${PONTE_SITE}/..";'),
    ("nginx.conf", "sendfile on;", "sendfile on;\nmerge_slashes off;"),
    ("services/flask.conf", "location = /flask/metrics { return 404; }", ""),
    ("services/flask.conf", "proxy_pass http://flask/;", "set $path $request_uri;\nproxy_pass http://flask$path;"),
    ("snippets/error-pages.conf", "internal;", ""),
]


@pytest.mark.full
@pytest.mark.parametrize(("file", "good", "bad"), MUTATIONS)
def test_an_edge_that_lets_one_out_is_caught(mutated: Mutated, file: str, good: str, bad: str) -> None:
    with mutated(file, good, bad) as edge_, pytest.raises(AssertionError):
        holds(edge_, prefixes(edge_.out))
