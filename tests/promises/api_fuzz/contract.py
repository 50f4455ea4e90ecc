"""The shared contract as OpenAPI: FastAPI's own schema, and what the contract says that FastAPI does not know."""

from copy import deepcopy
from typing import Any

Json = dict[str, Any]
TEXT, COUNT = {"type": "string"}, {"type": "integer", "minimum": 0}
NO_NUL = "^[^\u0000]*$"  # PostgreSQL cannot hold it: 422
SMALL = {"ms": 40, "timeout": 0, "chunks": 40, "n": 50}  # what is above it, and fits, would only take time
ERRORS = ("400", "404", "413", "422", "426", "501", "503")


def fields(**schemas: Json) -> Json:
    return {"type": "object", "required": list(schemas), "properties": schemas, "additionalProperties": False}


def listed(row: Json) -> Json:
    return {"type": "array", "items": row}


ERROR = fields(error={"type": "string", "pattern": "^[a-z_]+$"}, detail={"type": "string", "pattern": r"\.$"},
               request_id={"type": "string", "pattern": "^[0-9a-f]{32}$"})  # fmt: skip
MESSAGE = fields(id=COUNT, author=TEXT, text=TEXT, at={"type": "string", "pattern": "Z$"}, replica=TEXT)
JOB = {"enum": ["queued", "running", "done", "lost"]}
WHO = dict.fromkeys(("app", "framework", "interface", "server", "replica", "python", "release"), TEXT)
SEEN = dict.fromkeys(("method", "path", "root_path", "scheme", "host", "client"), TEXT)

# Operation -> what a good answer looks like: status, content type, schema.
ANSWERS: dict[str, tuple[str, str, Json]] = {
    "GET /": ("200", "application/json", fields(**WHO, pid=COUNT)),
    "GET /healthz": ("200", "text/plain", {"const": "ok"}),
    "GET /readyz": ("200", "application/json", fields(database={"const": "ok"})),
    "GET /headers": ("200", "application/json", fields(**SEEN, headers={"type": "object", "additionalProperties": TEXT})),
    "GET /plaintext": ("200", "text/plain", {"const": "Hello, World!"}),
    "GET /json": ("200", "application/json", fields(message={"const": "Hello, World!"})),
    "GET /cpu": ("200", "application/json", fields(ms=COUNT)),
    "GET /wait": ("200", "application/json", fields(ms=COUNT)),
    "GET /query": ("200", "application/json", fields(rows=listed(fields(id=COUNT, value={"type": "integer"})))),
    "GET /messages": ("200", "application/json", fields(messages=listed(MESSAGE))),
    "POST /messages": ("201", "application/json", MESSAGE),
    "GET /poll": ("200", "application/json", fields(messages=listed(MESSAGE))),
    "POST /echo": ("200", "application/octet-stream", {}),
    "POST /digest": ("200", "application/json", fields(bytes=COUNT, sha256={"type": "string", "pattern": "^[0-9a-f]{64}$"})),
    "GET /stream": ("200", "text/plain", TEXT),
    "GET /session": ("200", "application/json", fields(visits=COUNT)),
    "POST /session": ("200", "application/json", fields(visits=COUNT)),
    "POST /jobs": ("202", "application/json", fields(id=TEXT, status=JOB)),
    "GET /jobs/{number}": ("200", "application/json", fields(id=TEXT, status=JOB, replica=TEXT)),
}  # fmt: skip


def parameter(name: str, schema: Json, place: str = "query") -> Json:
    return {"name": name, "in": place, "schema": schema}


# Parameters that FastAPI leaves to the code all frameworks share.
PARAMETERS = {
    "GET /stream": [
        parameter("chunks", {"type": "integer", "minimum": 1, "maximum": SMALL["chunks"]}),
        parameter("ms", {"type": "integer", "minimum": 0, "maximum": SMALL["ms"]}),
    ],
    "POST /messages": [parameter("Idempotency-Key", {"type": "string", "format": "uuid"}, "header")],
}
BYTES = {"required": True, "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}


def contract(fastapi: Json) -> Json:
    """Of the four applications; `fastapi` is what GET /openapi.json says."""
    schema = deepcopy(fastapi)
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            complete(f"{method.upper()} {path}", operation)
    for field in body_fields(schema, "/messages").values():
        field["pattern"] = NO_NUL
    body_fields(schema, "/jobs")["ms"]["maximum"] = SMALL["ms"]
    return schema


def body_fields(schema: Json, path: str) -> Json:
    return schema["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"]["properties"]


def complete(label: str, operation: Json) -> None:
    operation["responses"] = {status: described("application/json", ERROR) for status in ERRORS}
    operation.setdefault("parameters", []).extend(PARAMETERS.get(label, []))
    for each in operation["parameters"]:
        if each["name"] in SMALL:
            each["schema"] = {"type": "integer", "minimum": each["schema"]["minimum"], "maximum": SMALL[each["name"]]}
    if label in ANSWERS:
        status, kind, schema = ANSWERS[label]
        operation["responses"][status] = described(kind, schema)
    if label == "GET /poll":
        operation["responses"]["204"] = {"description": "nothing new"}
    if label in ("POST /echo", "POST /digest"):
        operation["requestBody"] = BYTES


def described(kind: str, schema: Json) -> Json:
    return {"description": "", "content": {kind: {"schema": schema}}}
