"""Edges that differ from machine to machine, for the tests that render them."""

from pathlib import Path

MEMBERS = {"flask": ("127.0.0.1:20001", "127.0.0.1:20002"), "django": ("127.0.0.1:20003",), "fastapi": ("[::1]:20004",)}
NAMED = {
    "flask": ("flask:8001",),
    "django": ("django:8002",),
    "django-asgi": ("django-asgi:8003",),
    "fastapi": ("fastapi:8004",),
}
DIFFERENT: dict[str, dict] = {
    "two replicas": {"upstreams": MEMBERS},
    "nothing runs": {},
    "IPv6": {"listen": ("[::1]:8080",), "server_names": ("[::1]", "localhost")},
    "open to all": {"listen": ("0.0.0.0:8080", "[::]:8080"), "server_names": ("www.example.org", "*.example.org")},
    "https": {"listen_tls": ("127.0.0.1:8443", "[::1]:8443"), "https_port": 443},
    "production": {
        "listen_tls": ("0.0.0.0:8443",),
        "listen": ("0.0.0.0:8080",),
        "https_redirect": True,
        "hsts": True,
        "trusted_proxies": ("10.0.0.0/8", "fd00::/8"),
        "rate_limit": 50,
        "connection_limit": 20,
        "limit_exempt": ("192.0.2.0/24",),
        "password": True,
        "release": "2026-11-21",
    },
    "HTTP/2 to two services": {"upstreams": MEMBERS, "http2": frozenset({"flask", "fastapi"})},
    "names": {"upstreams": NAMED, "resolver": ("127.0.0.11", "[fd00::1]")},
}


def rendered(folder: Path) -> dict[str, bytes]:
    """The rendered files; not what `nginx -t` makes beside them."""
    kept = [p for p in folder.rglob("*") if p.is_file() and p.suffix in {".conf", ".types"}]
    return {str(path.relative_to(folder)): path.read_bytes() for path in kept}
