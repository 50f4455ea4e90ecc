"""`./ponte reload` takes in files of one's own, and refuses a broken one."""

import os
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.config.edge import Outside
from tests.contract import ROOT
from tests.engine import Stack
from tests.promises.local_snippets.test_local_snippets import BROKEN, LOCATION
from tests.waiting import until


@pytest.fixture
def own_file() -> Iterator[Path]:
    path = ROOT / "nginx" / "local" / f"ponte-test-{os.getpid()}.conf"
    yield path
    path.unlink(missing_ok=True)


@pytest.mark.full
@pytest.mark.own_stack
def test_ponte_reload_takes_them_in(stack: Stack, front: Outside, own_file: Path) -> None:
    if not stack.ours:
        pytest.skip("would change the stack at PONTE_URL, which this run did not start")
    own_file.write_text(LOCATION.format("first"))
    assert stack.ponte("reload").returncode == 0
    until(lambda: httpx.get(f"{stack.url}/mine").text == "first")

    own_file.write_text(BROKEN)
    refused = stack.ponte("reload")
    assert refused.returncode != 0 and own_file.name in refused.stderr
    assert httpx.get(f"{stack.url}/mine").text == "first"

    own_file.unlink()
    assert stack.ponte("reload").returncode == 0
    until(lambda: front.ask("/mine").status == 404)
