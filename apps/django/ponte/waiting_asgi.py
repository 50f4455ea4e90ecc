"""Views that wait, each in a coroutine."""

import asyncio

from core import messages, params, work
from core.feed import AsyncFeed
from core.readiness import AsyncReadiness
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpResponse, JsonResponse, StreamingHttpResponse

from ponte.database import AsyncDjangoDatabase
from ponte.stack import replica
from ponte.views import query

database = AsyncDjangoDatabase()
feed = AsyncFeed(replica.settings, database)
readiness = AsyncReadiness(lambda: database.run(messages.ping()))


async def readyz(request: ASGIRequest) -> HttpResponse:
    return JsonResponse(await readiness.ask())


async def cpu(request: ASGIRequest) -> HttpResponse:
    ms = query(request).integer("ms", 10, high=1000)
    await asyncio.to_thread(work.burn, ms)
    return JsonResponse({"ms": ms})


async def wait(request: ASGIRequest) -> HttpResponse:
    ms = query(request).integer("ms", 100, high=30_000)
    how = query(request).choice("how", tuple(work.WAYS_TO_WAIT))
    await work.WAYS_TO_WAIT[how](ms / 1000)
    return JsonResponse({"ms": ms})


async def poll(request: ASGIRequest) -> HttpResponse:
    after, seconds = query(request).optional("after"), query(request).integer("timeout", 20, high=25)
    found = await feed.poll(after, seconds)
    return JsonResponse({"messages": found}) if found else HttpResponse(status=204)


async def stream(request: ASGIRequest) -> StreamingHttpResponse:
    chunks = work.achunks(*params.stream(query(request)), head=request.scope["ponte.head"])
    return StreamingHttpResponse(chunks, content_type="text/plain", headers=work.STREAM_HEADERS)
