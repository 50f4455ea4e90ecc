"""From the address of a service to that of a WebSocket on it."""

from urllib.parse import urlsplit

from loadtests.sockets.errors import Unusable

SCHEMES = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}


def websocket_url(base: str, path: str) -> str:
    """`http://host/fastapi` and `/ws/echo` make `ws://host/fastapi/ws/echo`; https makes wss. Raises Unusable."""
    try:
        parts = urlsplit(base)
        known = parts.scheme in SCHEMES and parts.hostname and (parts.port or True)
    except ValueError:
        known = False
    if not known:
        raise Unusable(f"{base!r} is no address; write http://HOST:PORT/SERVICE")
    return f"{SCHEMES[parts.scheme]}://{parts.netloc}{parts.path.rstrip('/')}/{path.lstrip('/')}"
