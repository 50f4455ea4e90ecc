"""What visitors of the stack do: mixes of requests over the contract's routes, each a table of weights.

A mix is a name of this table, a path such as `/wait?ms=50`, which is then all that is asked for, or `-`: the host's
address as it was given.
"""

import random
from bisect import bisect
from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # names are read without gevent, too
    from loadtests.users.client import Client

ADDRESS = "-"
BODY = b"0123456789abcdef" * 256  # 4 KiB
UPLOAD = BODY * 64

Act = Callable[["Client", str], object]  # (client, root of the service: `/flask`)


def get(path: str) -> Act:
    route = path.partition("?")[0]
    return lambda client, root: client.get(root + path, name=root + route)


def post(path: str, **body) -> Act:
    return lambda client, root: client.post(root + path, name=root + path, **body)


def some_rows(client: "Client", root: str) -> None:
    client.get(f"{root}/query?n={random.randint(1, 20)}", name=f"{root}/query")


def come_back(client: "Client", root: str) -> None:
    """A session: the cookie of the first answer goes with the second request."""
    first = client.post(f"{root}/session", name=f"{root}/session")
    cookie = first.headers.get("set-cookie", "").partition(";")[0] if first else ""
    client.get(f"{root}/session", headers={"Cookie": cookie}, name=f"{root}/session")


def start_a_job(client: "Client", root: str) -> None:
    started = client.post(f"{root}/jobs", json={"ms": 50}, name=f"{root}/jobs")
    if started and "location" in started.headers:
        client.get(started.headers["location"], name=f"{root}/jobs/ID")


READ = (
    (10, get("/json")),
    (5, get("/plaintext")),
    (3, get("/")),
    (5, some_rows),
    (3, get("/messages?limit=20")),
)
MIXES: dict[str, Sequence[tuple[int, Act]]] = {
    # every route that a plain client can use, more reading than writing
    "visit": (
        *READ,
        (2, post("/messages", json={"author": "locust", "text": "hello"})),
        (2, get("/cpu?ms=5")),
        (2, get("/wait?ms=50")),
        (1, post("/echo", body=BODY)),
        (1, post("/digest", body=UPLOAD)),
        (1, get("/stream?chunks=5&ms=10")),
        (1, come_back),
        (1, start_a_job),
    ),
    "read": READ,
    "json": ((1, get("/json")),),
    "plaintext": ((1, get("/plaintext")),),
    "query": ((1, get("/query?n=5")),),
    "cpu": ((1, get("/cpu?ms=4")),),
    "wait": ((1, get("/wait?ms=50")),),
    "upload": ((1, post("/digest", body=UPLOAD)),),
    "stream": ((1, get("/stream?chunks=10&ms=50")),),
}


def mix(name: str) -> Callable[[], Act]:
    """Draws what the next visitor does. ValueError for an unknown name."""
    if name == ADDRESS:
        return lambda: lambda client, root: client.get("", name=client.connections.whole)
    if name.startswith("/"):
        return lambda: get(name)
    if name not in MIXES:
        raise ValueError(f"the mix {name!r} is unknown; choose from {', '.join(MIXES)}, or a path such as /json")
    acts = [act for _, act in MIXES[name]]
    bounds = list(accumulate(weight for weight, _ in MIXES[name]))
    return lambda: acts[bisect(bounds, random.random() * bounds[-1])]
