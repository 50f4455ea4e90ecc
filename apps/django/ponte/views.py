"""Views that read the same under WSGI and ASGI."""

from collections.abc import Iterable
from typing import Any

from core import asgi, messages, params, work, wsgi
from core.database import random_ids
from core.errors import UNEXPECTED, Problem, asgi_only, not_found, upgrade_required
from core.jobs import Jobs, find
from core.session import COOKIE, Session
from django.http import HttpRequest, HttpResponse, JsonResponse

from ponte.database import DjangoDatabase, connected
from ponte.models import Item
from ponte.routing import answer
from ponte.stack import about, replica

database = DjangoDatabase()
jobs = Jobs(database.run, replica.name)


def query(request: HttpRequest) -> params.Query:
    return params.Query(request.META.get("QUERY_STRING", ""))


def body_blocks(request: HttpRequest, limit: int) -> Iterable[bytes]:
    params.check_length(request.headers.get("Content-Length"), limit)
    # (!) Django reads no body without a length; a server that marks the end itself can be read to there.
    body = request.META["wsgi.input"] if request.META.get("wsgi.input_terminated") else request
    return work.blocks(body.read)


def json_body(request: HttpRequest) -> bytes:
    return work.collect(body_blocks(request, params.JSON_LIMIT), params.JSON_LIMIT)


def root_path(request: HttpRequest) -> str:
    return request.path.removesuffix(request.path_info)


def who(request: HttpRequest) -> HttpResponse:
    return JsonResponse(replica.identity)


def healthz(request: HttpRequest) -> HttpResponse:
    return HttpResponse("ok", content_type="text/plain")


def headers(request: Any) -> HttpResponse:
    return JsonResponse(wsgi.seen(request.environ) if about.interface == "wsgi" else asgi.seen(request.scope))


def plaintext(request: HttpRequest) -> HttpResponse:
    return HttpResponse("Hello, World!", content_type="text/plain")


def json_message(request: HttpRequest) -> HttpResponse:
    return JsonResponse({"message": "Hello, World!"})


def rows(request: HttpRequest) -> HttpResponse:
    ids = random_ids(query(request).integer("n", 1, low=1, high=500))
    with connected():
        return JsonResponse({"rows": [Item.objects.values("id", "value").get(pk=number) for number in ids]})


def list_messages(request: HttpRequest) -> HttpResponse:
    after, limit = query(request).integer("after", 0), query(request).integer("limit", 50, low=1, high=500)
    return JsonResponse({"messages": database.run(messages.after(after, limit))})


def post_message(request: HttpRequest) -> HttpResponse:
    key = params.idempotency_key(request.headers.get("Idempotency-Key"))
    author, text = params.message(json_body(request))
    return JsonResponse(database.run(messages.store(author, text, replica.name, key)), status=201)


def echo(request: HttpRequest) -> HttpResponse:
    body = work.collect(body_blocks(request, params.ECHO_LIMIT), params.ECHO_LIMIT)
    return HttpResponse(body, content_type=request.headers.get("Content-Type", "application/octet-stream"))


def digest(request: HttpRequest) -> HttpResponse:
    limit = replica.settings.max_upload
    return JsonResponse(work.digest(body_blocks(request, limit), limit))


def get_session(request: HttpRequest) -> HttpResponse:
    return JsonResponse({"visits": Session(replica.settings).visits(request.COOKIES.get(COOKIE))})


def post_session(request: HttpRequest) -> HttpResponse:
    session = Session(replica.settings)
    visits = session.visits(request.COOKIES.get(COOKIE)) + 1
    response = JsonResponse({"visits": visits})
    response.set_cookie(COOKIE, **session.cookie(visits, root_path(request), str(request.scheme)))
    return response


def post_job(request: HttpRequest) -> HttpResponse:
    number, ms = jobs.new_id(), params.job(json_body(request))
    database.run(jobs.create(number, ms))
    location = f"{root_path(request)}/jobs/{number}"
    return JsonResponse(jobs.start(number, ms), status=202, headers={"Location": location})


def get_job(request: HttpRequest, number: str) -> HttpResponse:
    return JsonResponse(database.run(find(number)))


def events(request: HttpRequest) -> HttpResponse:
    raise asgi_only("Server-sent events")


def websocket(request: HttpRequest) -> HttpResponse:
    raise upgrade_required() if about.interface == "asgi" else asgi_only("WebSockets")


def missing(request: HttpRequest, exception: Exception) -> HttpResponse:
    return answer(not_found())


def failed(request: HttpRequest) -> HttpResponse:
    return answer(Problem(500, UNEXPECTED))
