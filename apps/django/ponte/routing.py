"""One view for each path: it picks by method, and turns a Problem into its answer."""

import logging
from collections.abc import Callable
from inspect import iscoroutinefunction
from typing import Any

from core.errors import UNEXPECTED, Problem, not_allowed
from django.http import HttpRequest, HttpResponse, JsonResponse

from ponte.stack import about

logger = logging.getLogger("ponte.app")
View = Callable[..., Any]


def sized(response: HttpResponse) -> HttpResponse:
    """With its length, so that no chunks are needed; Django leaves that to a middleware."""
    if not response.streaming and response.status_code != 204:
        response["Content-Length"] = str(len(response.content))
    return response


def answer(problem: Problem) -> HttpResponse:
    return sized(JsonResponse(problem.body, status=problem.status, headers=problem.headers))


def answer_to(error: Exception) -> HttpResponse:
    if isinstance(error, Problem):
        return answer(error)
    logger.error("unexpected", exc_info=error)
    return answer(Problem(500, UNEXPECTED))


def instant(view: View) -> View:
    """A view that never waits: a coroutine under ASGI, where a plain function would cost a thread."""
    if about.interface == "wsgi":
        return view

    async def coroutine(request: HttpRequest, **arguments: str) -> HttpResponse:
        return view(request, **arguments)

    return coroutine


def methods(**views: View) -> View:
    def pick(request: HttpRequest) -> View:
        # HEAD is answered as GET; the middleware of the interface leaves the body out.
        view = views.get("GET" if request.method == "HEAD" else str(request.method))
        if view is None:
            raise not_allowed(tuple(views))
        return view

    def dispatch(request: HttpRequest, **arguments: str) -> HttpResponse:
        try:
            return sized(pick(request)(request, **arguments))
        except Exception as error:
            return answer_to(error)

    async def adispatch(request: HttpRequest, **arguments: str) -> HttpResponse:
        try:
            return sized(await pick(request)(request, **arguments))
        except Exception as error:
            return answer_to(error)

    return adispatch if all(map(iscoroutinefunction, views.values())) else dispatch
