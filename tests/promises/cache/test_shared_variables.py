"""What an auth_request was answered decides nothing about the answer that it allows."""

from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.config.edge import copy_of_source, replicas, running
from tests.promises.cache.application import FOR_LONG, Application, twice

CACHE = "templates/snippets/cache.conf.template"
VOLATILE = "    volatile;\n"
GUARDED = """
location = /guard {
    internal;
    include snippets/proxy.conf;
    include snippets/cached.conf;
    proxy_cache_key "guard of $request_uri";  # (!) $request_uri is that of the request that is guarded
    proxy_pass http://fastapi/said?guard;
}
location /flask/ {
    auth_request /guard;
"""


def kept_behind_a_guard(nginx: Path, folder: Path, without: str = "") -> list[str | None]:
    """What becomes of an answer that is not to be kept, when the guard's may be; without a word of the configuration."""
    source = copy_of_source(folder)
    edit(source / "services" / "flask.conf", "location /flask/ {\n", GUARDED)
    edit(source / CACHE, without, "")
    with ExitStack() as stack:
        flask, fastapi = stack.enter_context(replicas("flask", "fastapi"))
        for replica, words in ((flask, "max-age=60"), (fastapi, FOR_LONG)):
            replica.said = Application(headers={"Cache_Control": words})
            replica.said.free.set()
        members = {"flask": (flask.address,), "fastapi": (fastapi.address,)}
        return twice(stack.enter_context(running(folder, nginx, source=source, upstreams=members)), "/flask/said")


def edit(path: Path, good: str, bad: str) -> None:
    text = path.read_text()
    assert good in text
    path.write_text(text.replace(good, bad) if good else text)


def test_an_answer_is_judged_by_its_own_words(nginx: Path, tmp_path: Path) -> None:
    assert kept_behind_a_guard(nginx, tmp_path) == [None, None]


@pytest.mark.full
def test_one_that_is_judged_by_the_guards_is_caught(nginx: Path, tmp_path: Path) -> None:
    assert kept_behind_a_guard(nginx, tmp_path, without=VOLATILE) != [None, None]
