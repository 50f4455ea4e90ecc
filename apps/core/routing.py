"""Paths and methods of an application that has no framework."""

from collections.abc import Callable
from typing import Generic, TypeVar

from core.errors import not_allowed, not_found

View = TypeVar("View")


class Routes(Generic[View]):
    """Examples:

    @routes.get("/json")
    def json_message(): ...
    """

    def __init__(self) -> None:
        self.views: dict[str, dict[str, View]] = {}

    def get(self, path: str) -> Callable[[View], View]:
        return self._register("GET", path)

    def post(self, path: str) -> Callable[[View], View]:
        return self._register("POST", path)

    def find(self, path: str, method: str) -> View:
        """Raises a Problem, 404 or 405; HEAD is answered as GET."""
        views = self.views.get(path)
        if views is None:
            raise not_found()
        view = views.get("GET" if method == "HEAD" else method)
        if view is None:
            raise not_allowed(tuple(views))
        return view

    def _register(self, method: str, path: str) -> Callable[[View], View]:
        def register(view: View) -> View:
            self.views.setdefault(path, {})[method] = view
            return view

        return register
