"""Views that wait, each in the thread that serves it."""

import time

from core import messages, params, work
from core.feed import PAGE, Feed
from core.readiness import Readiness
from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse

from ponte.database import ping
from ponte.stack import replica
from ponte.views import database, query

feed = Feed(replica.settings)
readiness = Readiness(ping)


def readyz(request: HttpRequest) -> HttpResponse:
    return JsonResponse(readiness.ask())


def cpu(request: HttpRequest) -> HttpResponse:
    ms = query(request).integer("ms", 10, high=1000)
    work.burn(ms)
    return JsonResponse({"ms": ms})


def wait(request: HttpRequest) -> HttpResponse:
    ms = query(request).integer("ms", 100, high=30_000)
    time.sleep(ms / 1000)
    return JsonResponse({"ms": ms})


def poll(request: HttpRequest) -> HttpResponse:
    after, seconds = query(request).optional("after"), query(request).integer("timeout", 20, high=25)
    last = database.run(messages.newest()) if after is None else after
    if not (found := database.run(messages.after(last, PAGE))):
        feed.wait(last, seconds)
        found = database.run(messages.after(last, PAGE))
    return JsonResponse({"messages": found}) if found else HttpResponse(status=204)


def stream(request: HttpRequest) -> StreamingHttpResponse:
    chunks = work.chunks(*params.stream(query(request)))
    return StreamingHttpResponse(chunks, content_type="text/plain", headers=work.STREAM_HEADERS)
