"""What the promises share: the edge of a real stack, and edges that were broken on purpose."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from tests.config.conftest import front as stubbed  # noqa: F401  (an edge before stubs, for what needs no application)
from tests.config.conftest import nginx  # noqa: F401
from tests.config.edge import STUBS, Outside, Running, copy_of_source, members, replicas, running
from tests.engine import Stack

SECONDS = 60
Mutated = Callable[..., AbstractContextManager[Running]]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """In containers only what is asked of the stack runs again: the rest would repeat itself natively."""
    here = [item for item in items if "tests/promises" in item.path.as_posix()]
    for item in here:
        if not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(SECONDS))
    if config.getoption("--engine") != "native":
        repeated = {item for item in here if "stack" not in getattr(item, "fixturenames", ())}
        config.hook.pytest_deselected(items=[*repeated])
        items[:] = [item for item in items if item not in repeated]


@pytest.fixture
def front(stack: Stack) -> Outside:
    """The edge of a real stack, of whichever engine."""
    return Outside(stack.address, stack.tls_address)


@pytest.fixture
def mutated(nginx: Path, tmp_path: Path) -> Mutated:  # noqa: F811
    """`with mutated("snippets/proxy.conf", "$host;", "$http_host;") as edge_:` an edge with one thing broken.

    In front of the stubs of tests/config/edge.py: two of flask and of fastapi, none of the others. Further words are
    fields of deploy.edge.Edge.
    """

    @contextmanager
    def broken(file: str = "", good: str = "", bad: str = "", **changed: object) -> Iterator[Running]:
        source = copy_of_source(tmp_path)
        if file:
            text = (source / file).read_text()
            assert good in text, f"{file} does not hold {good!r} (any more): the mutation would change nothing"
            (source / file).write_text(text.replace(good, bad))
        with replicas(*STUBS) as stubs:
            words = {"upstreams": members(stubs), "hurry": True, **changed}
            with running(tmp_path, nginx, source=source, **words) as edge_:  # type: ignore[arg-type]
                edge_.replicas = {each.name: each for each in stubs}
                yield edge_

    return broken
