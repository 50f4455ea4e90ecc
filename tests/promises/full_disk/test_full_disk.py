"""Clients ask until a place would be full: see promise.md."""

import http.client
import os
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.config.edge import Repeat, Running
from tests.promises.conftest import Mutated
from tests.promises.full_disk.disk import disk, size_in_compose, used

CACHE = "templates/snippets/cache.conf.template"
LARGEST = 31_999  # bytes of a body that is kept
HEAD = "x" * 6_500  # nginx takes 8 KiB of head at the most
CLIENTS = 4
MANY = 5_000
MIB = 2**20
UPLOAD = 4 * MIB
SMALL_DISK = MIB
pytestmark = [
    pytest.mark.full,
    pytest.mark.timeout(120),
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a disk of its own"),
]


def flood(edge_: Running, number: int) -> Counter[str]:
    """What became of so many requests for addresses nobody asked for before."""
    shares = [range(start, number, CLIENTS) for start in range(CLIENTS)]
    with ThreadPoolExecutor(CLIENTS) as pool:
        return sum(pool.map(lambda share: ask_for(edge_, share), shares), Counter())


def ask_for(edge_: Running, share: range) -> Counter[str]:
    client = http.client.HTTPConnection(*edge_.address, timeout=5)
    outcomes = Counter(ask_once(client, f"/flask/said?{number}") for number in share)
    client.close()
    return outcomes


def ask_once(client: http.client.HTTPConnection, path: str) -> str:
    try:
        client.request("GET", path, headers={"Host": "localhost"})
        answer = client.getresponse()
        answer.read()
        return f"{answer.status} {answer.headers['X-Cache']}"
    except (http.client.HTTPException, OSError) as error:
        client.close()
        return type(error).__name__


def holds(edge_: Running, place: Path, size: int, number: int) -> None:
    """Asks for more than would fit, were all of it kept."""
    for name in ("flask-1", "flask-2"):
        edge_.replicas[name].said = lambda request: answer(request, size)
    room = os.statvfs(place).f_blocks * os.statvfs(place).f_frsize
    assert number * size > room

    assert flood(edge_, number) == {"200 MISS": number}
    assert used(place) < room


def answer(request: Repeat, size: int) -> None:
    request.answer(200, b"x" * size, Cache_Control="s-maxage=600", X_Long=HEAD)


def test_the_cache_never_fills_the_place_it_has(mutated: Mutated, tmp_path: Path) -> None:
    with disk(tmp_path / "nginx" / "answers", size_in_compose()) as place, mutated() as edge_:
        holds(edge_, place, LARGEST, MANY)


MUTATIONS = {
    "larger answers": (
        '    default                        1;\n    "~^[0-9]{1,4}$"',
        '    "~^[0-9]{1,4}$"',
        3 * MIB,
        200,
    ),
    "more of them": ("keys_zone=answers:320k", "keys_zone=answers:512k", LARGEST, MANY),
}


@pytest.mark.parametrize(("good", "bad", "size", "number"), MUTATIONS.values(), ids=MUTATIONS)
def test_an_answer_that_is_cut_is_caught(
    mutated: Mutated, tmp_path: Path, good: str, bad: str, size: int, number: int
) -> None:
    answers = tmp_path / "nginx" / "answers"
    cut = pytest.raises(AssertionError, match="IncompleteRead")
    with disk(answers, size_in_compose()) as place, mutated(CACHE, good, bad) as edge_, cut:
        holds(edge_, place, size, number)


def test_an_upload_that_finds_no_room_is_an_error_at_once(mutated: Mutated, tmp_path: Path) -> None:
    with disk(tmp_path / "nginx" / "tmp", SMALL_DISK), mutated(max_upload=2 * UPLOAD) as edge_:
        answer = edge_.ask("/flask/echo", method="POST", body=b"x" * UPLOAD)
        asked = [path for each in edge_.replicas.values() for _, path in each.requests]
        later = edge_.ask("/flask/headers")

    assert answer.status == 500
    assert answer.json["error"] == "internal_server_error"
    assert (asked, later.status) == ([], 200)
