"""What the edge says of a request, believed only when the edge says it."""

import functools
import ipaddress
import re
import uuid
from collections.abc import Callable
from typing import NamedTuple

from core.settings import Network

REQUEST_ID = re.compile("[0-9a-f]{32}")


class Forwarded(NamedTuple):
    """The request as the client sent it; None where the edge says nothing."""

    client: str | None = None
    scheme: str | None = None
    host: str | None = None
    prefix: str = ""
    request_id: str | None = None


class Trust:
    """FORWARDED_ALLOW_IPS: the addresses the edge may have."""

    def __init__(self, networks: tuple[Network, ...]) -> None:
        self.networks = networks
        self.trusts = functools.lru_cache(maxsize=256)(self._trusts)

    def _trusts(self, peer: str) -> bool:
        try:
            address = ipaddress.ip_address(peer)
        except ValueError:
            return False
        return any(address in network for network in self.networks)

    def read(self, peer: str | None, header: Callable[[str], str | None]) -> Forwarded:
        """`header` looks a request header up by its lower-case name."""
        if not peer or not self.trusts(peer):
            return Forwarded()
        return Forwarded(
            client=header("x-forwarded-for"),
            scheme=header("x-forwarded-proto"),
            host=header("x-forwarded-host"),
            prefix=(header("x-forwarded-prefix") or "").rstrip("/"),
            request_id=header("x-request-id"),
        )


def id_of(forwarded: Forwarded) -> str:
    given = forwarded.request_id or ""
    return given if REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
