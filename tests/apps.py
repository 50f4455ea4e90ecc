"""An application as a client sees it; the same tests speak to one behind the edge and to one in process."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from tests.contract import Service


def quickly(quick: Iterable[str], names: Iterable[str]) -> list[Any]:
    """Parameters of a test: of these names those in `quick` run in every tier, the others in the full one."""
    return [name if name in quick else pytest.param(name, marks=pytest.mark.full) for name in names]


@dataclass(frozen=True)
class App:
    service: Service
    http: Any  # an httpx.Client, or what sends to an application in process
    base: str  # 'http://127.0.0.1:8080/flask'

    @property
    def name(self) -> str:
        return self.service.name

    @property
    def prefix(self) -> str:
        """Its path at the edge; one in process is told it, and has no edge."""
        return urlsplit(self.base).path or f"/{self.name}"

    @property
    def is_asgi(self) -> bool:
        return self.service.interface == "asgi"

    @property
    def ws(self) -> str:
        return self.base.replace("http", "ws", 1)

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        return self.http.request(method, self.base + path, **options)

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self.request("GET", path, **options)

    def post(self, path: str, **options: Any) -> httpx.Response:
        return self.request("POST", path, **options)

    def say(self, text: str = "hello", author: str = "ada", **options: Any) -> dict[str, Any]:
        """Stores a message and gives its row."""
        answer = self.post("/messages", json={"author": author, "text": text}, **options)
        assert answer.status_code == 201, answer.text
        return answer.json()

    def messages(self, after: int = 0, limit: int = 500) -> list[dict[str, Any]]:
        answer = self.get(f"/messages?after={after}&limit={limit}")
        assert answer.status_code == 200, answer.text
        return answer.json()["messages"]

    def newest(self) -> int:
        """The largest id now: whatever is stored next is above it."""
        return self.say("newest")["id"]
