"""The application in FastAPI, over ASGI."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Annotated, Any, Literal

from core import asgi, events, messages, params, sockets, work
from core.contract import ROUTES, route
from core.database import AsyncDatabase, random_ids
from core.errors import UNEXPECTED, Problem, not_allowed, not_found, unprocessable, upgrade_required
from core.feed import AsyncFeed
from core.jobs import Jobs, find
from core.readiness import AsyncReadiness
from core.replica import Replica
from core.session import COOKIE, Session
from fastapi import Depends, FastAPI, Query, Request, Response, WebSocket
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse, StreamingResponse
from pydantic import BaseModel, BeforeValidator
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection

replica = Replica.from_env("fastapi")
settings = replica.settings
database = AsyncDatabase(settings)
feed = AsyncFeed(settings, database)
jobs = Jobs(database.run_from_thread, replica.name)
readiness = AsyncReadiness(lambda: database.run(messages.ping()))


class Error(BaseModel):
    error: str
    detail: str
    request_id: str


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    yield
    await asyncio.to_thread(jobs.finish)
    await feed.close()
    await database.close()


def exact(request: HTTPConnection) -> None:
    """Where FastAPI is generous: a path may end in a newline, and the last of repeated parameters counts."""
    if request.scope["type"] == "websocket":
        return
    if route(asgi.own_path(request.scope)) is None:
        raise not_found()
    query = params.Query(request.url.query)
    for parameter in request.scope["route"].dependant.query_params:
        query.text(parameter.alias)


def digits(value: str) -> int:
    try:
        return params.digits("", value)
    except Problem:
        raise ValueError("not a whole number from 0 to 2^63-1") from None


fastapi = FastAPI(
    title="Ponte: FastAPI",
    lifespan=lifespan,
    dependencies=[Depends(exact)],
    responses={422: {"model": Error}},
    redirect_slashes=False,
)
Digits = BeforeValidator(digits)
After = Annotated[int, Query(ge=0, le=params.LARGEST), Digits]
OptionalAfter = Annotated[int | None, Query(ge=0, le=params.LARGEST), Digits]


def body_blocks(request: Request, limit: int) -> AsyncIterator[bytes]:
    params.check_length(request.headers.get("Content-Length"), limit)
    return request.stream()


async def json_body(request: Request) -> bytes:
    return await work.acollect(body_blocks(request, params.JSON_LIMIT), params.JSON_LIMIT)


@fastapi.get("/")
async def who() -> dict[str, Any]:
    return replica.identity


@fastapi.get("/healthz")
async def healthz() -> PlainTextResponse:
    return PlainTextResponse("ok")


@fastapi.get("/readyz")
async def readyz() -> dict[str, str]:
    return await readiness.ask()


@fastapi.get("/headers")
async def headers(request: Request) -> dict[str, Any]:
    return asgi.seen(request.scope)


@fastapi.get("/plaintext")
async def plaintext() -> PlainTextResponse:
    return PlainTextResponse("Hello, World!")


@fastapi.get("/json")
async def json_message() -> dict[str, str]:
    return {"message": "Hello, World!"}


@fastapi.get("/cpu")
async def cpu(ms: Annotated[int, Query(ge=0, le=1000), Digits] = 10) -> dict[str, int]:
    await run_in_threadpool(work.burn, ms)
    return {"ms": ms}


@fastapi.get("/wait")
async def wait(
    ms: Annotated[int, Query(ge=0, le=30_000), Digits] = 100, how: Literal["await", "thread", "block"] = "await"
) -> dict[str, int]:
    await work.WAYS_TO_WAIT[how](ms / 1000)
    return {"ms": ms}


@fastapi.get("/query")
async def rows(n: Annotated[int, Query(ge=1, le=500), Digits] = 1) -> dict[str, Any]:
    return {"rows": await database.run(messages.items(random_ids(n)))}


@fastapi.get("/messages")
async def list_messages(after: After = 0, limit: Annotated[int, Query(ge=1, le=500), Digits] = 50) -> dict[str, Any]:
    return {"messages": await database.run(messages.after(after, limit))}


@fastapi.post("/messages", status_code=201, openapi_extra=params.MESSAGE_BODY)
async def post_message(request: Request) -> dict[str, Any]:
    key = params.idempotency_key(request.headers.get("Idempotency-Key"))
    author, text = params.message(await json_body(request))
    return await database.run(messages.store(author, text, replica.name, key))


@fastapi.get("/poll")
async def poll(after: OptionalAfter = None, timeout: Annotated[int, Query(ge=0, le=25), Digits] = 20) -> Response:
    found = await feed.poll(after, timeout)
    return JSONResponse({"messages": found}) if found else Response(status_code=204)


@fastapi.post("/echo")
async def echo(request: Request) -> Response:
    body = await work.acollect(body_blocks(request, params.ECHO_LIMIT), params.ECHO_LIMIT)
    return Response(body, headers={"Content-Type": request.headers.get("Content-Type", "application/octet-stream")})


@fastapi.post("/digest")
async def digest(request: Request) -> dict[str, Any]:
    return await work.adigest(body_blocks(request, settings.max_upload), settings.max_upload)


@fastapi.get("/stream")
async def stream(request: Request) -> StreamingResponse:
    chunks = work.achunks(*params.stream(params.Query(request.url.query)), head=request.scope["ponte.head"])
    return StreamingResponse(chunks, media_type="text/plain", headers=work.STREAM_HEADERS)


@fastapi.get("/session")
async def get_session(request: Request) -> dict[str, int]:
    return {"visits": Session(settings).visits(request.cookies.get(COOKIE))}


@fastapi.post("/session")
async def post_session(request: Request) -> JSONResponse:
    session = Session(settings)
    visits = session.visits(request.cookies.get(COOKIE)) + 1
    response = JSONResponse({"visits": visits})
    response.set_cookie(COOKIE, **session.cookie(visits, request.scope["root_path"], request.url.scheme))
    return response


@fastapi.post("/jobs", status_code=202, openapi_extra=params.JOB_BODY)
async def post_job(request: Request, response: Response) -> dict[str, Any]:
    number, ms = jobs.new_id(), params.job(await json_body(request))
    await database.run(jobs.create(number, ms))
    response.headers["Location"] = f"{request.scope['root_path']}/jobs/{number}"
    return jobs.start(number, ms)


@fastapi.get("/jobs/{number}")
async def get_job(number: str) -> dict[str, Any]:
    return await database.run(find(number))


@fastapi.get("/events")
async def get_events(request: Request) -> StreamingResponse:
    last = events.last_event_id(request.headers.get("Last-Event-ID"))
    body = events.body(await feed.reader(last).__aenter__(), head=request.scope["ponte.head"])
    return StreamingResponse(body, headers=work.STREAM_HEADERS, media_type=events.CONTENT_TYPE)


@fastapi.get("/ws/echo")
@fastapi.get("/ws/chat")
async def websocket_only() -> None:
    raise upgrade_required()


@fastapi.websocket("/ws/echo")
async def ws_echo(websocket: WebSocket) -> None:
    await sockets.echo(websocket.scope, websocket.receive, websocket.send)


@fastapi.websocket("/ws/chat")
async def ws_chat(websocket: WebSocket) -> None:
    async def store(author: str, text: str) -> dict[str, Any]:
        return await database.run(messages.store(author, text, replica.name))

    await sockets.chat(websocket.scope, websocket.receive, websocket.send, feed, store)


@fastapi.websocket("/{path:path}")
async def no_websocket(websocket: WebSocket) -> None:
    await websocket.receive()
    await sockets.deny(websocket.scope, websocket.send, sockets.no_socket())


def answer(problem: Problem) -> JSONResponse:
    return JSONResponse(problem.body, problem.status, problem.headers)


@fastapi.exception_handler(Problem)
async def problem(_: Request, error: Problem) -> JSONResponse:
    return answer(error)


@fastapi.exception_handler(RequestValidationError)
async def invalid(_: Request, error: RequestValidationError) -> JSONResponse:
    first = error.errors()[0]
    return answer(unprocessable(f"{first['loc'][-1]}: {first['msg'].removeprefix('Value error, ')}."))


@fastapi.exception_handler(HTTPException)
async def of_starlette(request: Request, error: HTTPException) -> JSONResponse:
    if error.status_code == 405:
        return answer(not_allowed(ROUTES.get(route(asgi.own_path(request.scope)) or "", ("GET",))))
    return answer(not_found() if error.status_code == 404 else Problem(error.status_code, f"{error.detail}."))


@fastapi.exception_handler(Exception)
async def failed(_: Request, error: Exception) -> JSONResponse:
    logging.getLogger("ponte.app").error("unexpected", exc_info=error)
    return answer(Problem(500, UNEXPECTED))


app: Callable[..., Any] = asgi.Middleware(fastapi, replica)
