"""The nginx found on this machine, and an edge in front of two replicas of each kind of application."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy import edge
from deploy.errors import Failure
from tests.config.edge import Running, replicas, running


@pytest.fixture(scope="session")
def nginx() -> Path:
    try:
        return edge.locate(os.environ)
    except Failure as reason:
        pytest.skip(str(reason))


@pytest.fixture(scope="module")
def front(nginx: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """flask (WSGI) and fastapi (ASGI) have two replicas, django and django-asgi none."""
    with replicas("flask-1", "flask-2", "fastapi-1", "fastapi-2") as started:
        members = {
            "flask": tuple(each.address for each in started[:2]),
            "fastapi": tuple(each.address for each in started[2:]),
        }
        with running(tmp_path_factory.mktemp("edge"), nginx, hurry=True, upstreams=members) as edge_:
            edge_.replicas = {each.name: each for each in started}
            yield edge_
