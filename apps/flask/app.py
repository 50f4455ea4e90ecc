"""The application in Flask, over WSGI."""

import time
from collections.abc import Callable, Iterable
from typing import Any

from core import messages, params, work
from core.contract import ROUTES, route
from core.database import Database, random_ids
from core.errors import UNEXPECTED, Problem, asgi_only, not_allowed, not_found
from core.feed import PAGE, Feed
from core.jobs import Jobs, find
from core.readiness import Readiness
from core.replica import Replica
from core.session import COOKIE, Session
from core.wsgi import Middleware, seen
from flask import Flask, Request, Response, jsonify, request
from werkzeug.exceptions import HTTPException
from werkzeug.routing import MapAdapter

replica = Replica.from_env("flask")
settings = replica.settings
database = Database(settings)
feed = Feed(settings)
jobs = Jobs(database.run, replica.name)
readiness = Readiness(lambda: database.run(messages.ping()))


class PlainFlask(Flask):
    def create_url_adapter(self, request: Request | None) -> MapAdapter | None:
        """A handshake is matched like any other GET: werkzeug would answer it with 400."""
        adapter = super().create_url_adapter(request)
        if adapter is not None:
            adapter.websocket = False
        return adapter


flask = PlainFlask(__name__, static_folder=None)
flask.config["PROVIDE_AUTOMATIC_OPTIONS"] = False  # OPTIONS is a method like any other: 405
flask.url_map.merge_slashes = False  # //json is another path, not a redirect
flask.json.sort_keys = False  # type: ignore[attr-defined]


@flask.before_request
def exact() -> None:
    """Werkzeug drops slashes at the beginning."""
    if route(request.environ["PATH_INFO"]) is None:
        raise not_found()


def query() -> params.Query:
    return params.Query(request.query_string.decode("latin-1"))


def body_blocks(limit: int) -> Iterable[bytes]:
    params.check_length(request.headers.get("Content-Length"), limit)
    return work.blocks(request.stream.read)


def json_body() -> bytes:
    return work.collect(body_blocks(params.JSON_LIMIT), params.JSON_LIMIT)


@flask.get("/")
def who() -> dict[str, Any]:
    return replica.identity


@flask.get("/healthz")
def healthz() -> Response:
    return Response("ok", mimetype="text/plain")


@flask.get("/readyz")
def readyz() -> dict[str, str]:
    return readiness.ask()


@flask.get("/headers")
def headers() -> dict[str, Any]:
    return seen(request.environ)


@flask.get("/plaintext")
def plaintext() -> Response:
    return Response("Hello, World!", mimetype="text/plain")


@flask.get("/json")
def json_message() -> dict[str, str]:
    return {"message": "Hello, World!"}


@flask.get("/cpu")
def cpu() -> dict[str, int]:
    ms = query().integer("ms", 10, high=1000)
    work.burn(ms)
    return {"ms": ms}


@flask.get("/wait")
def wait() -> dict[str, int]:
    ms = query().integer("ms", 100, high=30_000)
    time.sleep(ms / 1000)
    return {"ms": ms}


@flask.get("/query")
def rows() -> dict[str, Any]:
    ids = random_ids(query().integer("n", 1, low=1, high=500))
    return {"rows": database.run(messages.items(ids))}


@flask.get("/messages")
def list_messages() -> dict[str, Any]:
    after, limit = query().integer("after", 0), query().integer("limit", 50, low=1, high=500)
    return {"messages": database.run(messages.after(after, limit))}


@flask.post("/messages")
def post_message() -> tuple[dict[str, Any], int]:
    key = params.idempotency_key(request.headers.get("Idempotency-Key"))
    author, text = params.message(json_body())
    return database.run(messages.store(author, text, replica.name, key)), 201


@flask.get("/poll")
def poll() -> Any:
    after, seconds = query().optional("after"), query().integer("timeout", 20, high=25)
    last = database.run(messages.newest()) if after is None else after
    if not (found := database.run(messages.after(last, PAGE))):
        feed.wait(last, seconds)
        found = database.run(messages.after(last, PAGE))
    return {"messages": found} if found else Response(status=204)


@flask.post("/echo")
def echo() -> Response:
    body = work.collect(body_blocks(params.ECHO_LIMIT), params.ECHO_LIMIT)
    return Response(body, content_type=request.headers.get("Content-Type", "application/octet-stream"))


@flask.post("/digest")
def digest() -> dict[str, Any]:
    return work.digest(body_blocks(settings.max_upload), settings.max_upload)


@flask.get("/stream")
def stream() -> Response:
    return Response(work.chunks(*params.stream(query())), mimetype="text/plain", headers=work.STREAM_HEADERS)


@flask.get("/session")
def get_session() -> dict[str, int]:
    return {"visits": Session(settings).visits(request.cookies.get(COOKIE))}


@flask.post("/session")
def post_session() -> Response:
    session = Session(settings)
    visits = session.visits(request.cookies.get(COOKIE)) + 1
    response = jsonify(visits=visits)
    response.set_cookie(COOKIE, **session.cookie(visits, request.root_path, request.scheme))
    return response


@flask.post("/jobs")
def post_job() -> tuple[dict[str, Any], int, dict[str, str]]:
    number, ms = jobs.new_id(), params.job(json_body())
    database.run(jobs.create(number, ms))
    return jobs.start(number, ms), 202, {"Location": f"{request.root_path}/jobs/{number}"}


@flask.get("/jobs/<number>")
def get_job(number: str) -> dict[str, Any]:
    return database.run(find(number))


@flask.get("/events")
def events() -> Response:
    raise asgi_only("Server-sent events")


@flask.get("/ws/echo")
@flask.get("/ws/chat", endpoint="ws_chat")
def websocket() -> Response:
    raise asgi_only("WebSockets")


def answer(problem: Problem) -> tuple[Response, int, dict[str, str]]:
    return jsonify(problem.body), problem.status, problem.headers


@flask.errorhandler(Exception)
def failed(error: Exception) -> tuple[Response, int, dict[str, str]]:
    if isinstance(error, Problem):
        return answer(error)
    if isinstance(error, HTTPException) and error.code:
        return answer(of_werkzeug(error))
    flask.logger.exception("unexpected")
    return answer(Problem(500, UNEXPECTED))


def of_werkzeug(error: HTTPException) -> Problem:
    if error.code == 405:
        return not_allowed(ROUTES[route(request.path) or "/"])
    return not_found() if error.code == 404 else Problem(error.code or 500, error.name + ".")


app: Callable[..., Any] = Middleware(flask.wsgi_app, replica)
