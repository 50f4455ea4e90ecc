"""The nginx found on this machine, and an edge in front of two replicas of each kind of application."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy import edge
from deploy.errors import Failure
from tests.config.edge import STUBS, Running, members, replicas, running


@pytest.fixture(scope="session")
def nginx() -> Path:
    try:
        return edge.locate(os.environ)
    except Failure as reason:
        pytest.skip(str(reason))


@pytest.fixture(scope="module")
def front(nginx: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """flask (WSGI) and fastapi (ASGI) have two replicas, django and django-asgi none."""
    folder = tmp_path_factory.mktemp("edge")
    with replicas(*STUBS) as started, running(folder, nginx, hurry=True, upstreams=members(started)) as edge_:
        edge_.replicas = {each.name: each for each in started}
        yield edge_
