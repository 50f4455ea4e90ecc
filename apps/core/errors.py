"""One shape for every error: {"error", "detail", "request_id"}."""

from http import HTTPStatus

from core.logs import request_id

JSON_TYPE = "application/json"


class Problem(Exception):
    """An answer that is not the one the client hoped for; `detail` is one sentence."""

    def __init__(self, status: int, detail: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = headers or {}

    @property
    def body(self) -> dict[str, str]:
        return {"error": word(self.status), "detail": self.detail, "request_id": request_id.get()}


def word(status: int) -> str:
    """404 -> 'not_found': the reason phrase of RFC 9110 in lower case and underscores."""
    return RENAMED.get(status) or HTTPStatus(status).phrase.lower().replace(" ", "_").replace("-", "_")


# Python 3.13 renamed these phrases after RFC 9110; one word whatever the Python.
RENAMED = {413: "content_too_large", 414: "uri_too_long", 416: "range_not_satisfiable", 422: "unprocessable_content"}

NOT_FOUND = "Nothing answers at this path."
UNEXPECTED = "The application failed; the log has the reason under this request id."


def not_found(detail: str = NOT_FOUND) -> Problem:
    return Problem(404, detail)


def unprocessable(detail: str) -> Problem:
    return Problem(422, detail)


def not_allowed(methods: tuple[str, ...]) -> Problem:
    allowed = ", ".join(sorted({*methods, *(["HEAD"] if "GET" in methods else [])}))
    return Problem(405, f"This path answers {allowed}.", {"Allow": allowed})


def asgi_only(what: str) -> Problem:
    return Problem(501, f"{what} need an ASGI service: a WSGI server has no way to keep such a connection open.")


def upgrade_required() -> Problem:
    return Problem(426, "This path is a WebSocket.", {"Upgrade": "websocket"})
