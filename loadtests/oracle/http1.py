"""HTTP/1.1 as a plain client speaks it: httpx, which sends nothing twice."""

import ssl
from collections.abc import Mapping
from itertools import cycle
from typing import NamedTuple

import httpx

# Each is used some ten times a second, so that a connection is idle, busy and just being closed, all in one run.
CONNECTIONS = 8
# (!) Below the edge's keepalive_min_timeout (3 s): what was idle for longer a reload may close just when a request is on
# its way, which no edge can prevent. All others it must wait for.
IDLE_SECONDS = 2.0
SECONDS, CONNECT_SECONDS = 35.0, 5.0  # longer than any request of the contract may take
UNSENT = (httpx.ConnectError, httpx.ConnectTimeout)


class Answer(NamedTuple):
    status: int
    headers: Mapping[str, str]  # names in lower case, or found however they are written
    body: bytes


class Lost(Exception):
    """No answer, or half of one; `sent` is False when the connection was not even made."""

    def __init__(self, word: str, sent: bool = True) -> None:
        super().__init__(word)
        self.sent = sent


class Http1:
    """An open model does not wait for a connection: one that is busy is passed over, and another is made.

    (!) httpx looks whether a connection was closed before it writes on it, as browsers do: that one is no loss.
    """

    def __init__(self, url: str, tls: ssl.SSLContext, **headers: str) -> None:
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=None, keepalive_expiry=IDLE_SECONDS)
        timeout = httpx.Timeout(SECONDS, connect=CONNECT_SECONDS, pool=None)
        self.url = url
        self.clients = [
            httpx.AsyncClient(
                base_url=url, verify=tls, limits=limits, timeout=timeout, trust_env=False,
                headers={"Accept-Encoding": "identity", **headers},
            )
            for _ in range(CONNECTIONS)
        ]  # fmt: skip
        self.next = cycle(self.clients)

    async def ask(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> Answer:
        """Raises Lost."""
        try:
            found = await next(self.next).request(method, path, content=body, headers=headers)
        except httpx.HTTPError as error:
            raise Lost(words(error), not isinstance(error, UNSENT)) from None
        return Answer(found.status_code, found.headers, found.content)

    async def close(self) -> None:
        for each in self.clients:
            await each.aclose()


def words(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".rstrip(": ")
