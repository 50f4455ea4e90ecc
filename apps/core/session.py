"""A signed cookie: any replica reads it, a forged one counts as none."""

from typing import Any

from itsdangerous import BadSignature, URLSafeSerializer

from core.settings import Invalid, Settings

COOKIE = "session"


class Session:
    def __init__(self, settings: Settings) -> None:
        if not settings.secret_key:
            raise Invalid("SECRET_KEY is not set: set SECRET_KEY or SECRET_KEY_FILE to a long random text")
        self.serializer = URLSafeSerializer(settings.secret_key, salt=f"session.{settings.service}")

    def visits(self, cookie: str | None) -> int:
        try:
            return int(self.serializer.loads(cookie or "")["visits"])
        except (BadSignature, KeyError, TypeError, ValueError):
            return 0

    def cookie(self, visits: int, path: str, scheme: str) -> dict[str, Any]:
        """Keyword arguments for set_cookie, the same in all three frameworks (they differ in the name of the key)."""
        return {
            "value": self.serializer.dumps({"visits": visits}),
            "path": f"{path}/",
            "secure": scheme == "https",
            "httponly": True,
            "samesite": "Lax",
        }
