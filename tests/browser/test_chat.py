"""The page's chat in a real browser, while every replica it talks to is replaced."""

import time
from typing import Any

import httpx
import pytest

from tests.apps import App
from tests.contract import SERVICES
from tests.engine import Stack
from tests.stack.conftest import http  # noqa: F401

pytestmark = [pytest.mark.full, pytest.mark.own_stack, pytest.mark.timeout(180)]
PAUSE_SECONDS = 0.15  # between two messages
MOST = 190  # the page keeps the last 200


def test_who_reads_the_page_misses_no_message(chromium: Any, stack: Stack, http: httpx.Client) -> None:  # noqa: F811
    flask, sockets = App(SERVICES["flask"], http, f"{stack.url}/flask"), []
    page = chromium.new_page()
    page.on("websocket", lambda each: sockets.append(each))
    page.goto(f"{stack.url}/")
    page.get_by_text("Connected to FastAPI").wait_for()
    said = [flask.say("the first")["text"]]
    page.get_by_text(said[0], exact=True).last.wait_for()
    restart = stack.begin("restart", "SERVICE=fastapi")
    while restart.poll() is None:
        if len(said) < MOST:
            said.append(flask.say(f"number {len(said)}")["text"])
        time.sleep(PAUSE_SECONDS)
    _, errors = restart.communicate()
    said.append(flask.say("the last")["text"])
    page.get_by_text(said[-1], exact=True).last.wait_for()
    shown = page.locator("#messages li span").all_inner_texts()
    page.close()

    assert restart.returncode == 0, errors
    assert len(sockets) > 1, "it was never cut off"
    assert shown[-len(said) :] == said
