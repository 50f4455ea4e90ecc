"""Why a pair differs from the contract: each was looked into, and makes its cell red when it is no longer so."""

from tests.matrix.findings import Reason
from tests.stack.test_servers import CLOSES, DROPS_HEADERS, JOINS_WITHOUT_SPACE, ONE_AT_A_TIME, REFUSES_BARELY

JOINED = "repeated headers are joined by comma and space"
JOINS = "joins repeated headers by a comma without a space"
STREAM_HEAD = "head answers as get does without a body: '/stream*"
WHOLE = "holds a body whole in memory: a stream arrives at its end, with a length"
NO_HEADERS = "does not send the headers that an application accepts a handshake with"
BARELY = "refuses a handshake with a bare 403"
RESETS = (
    "closes on a body that is refused by its length; the edge may be reset before it has read the 413, and answers 502"
)
POLLS = "lets long polls run to their end when it stops"
READS_FORMS = "reads forms itself before the application may"

CONTRACT = (
    Reason(JOINS_WITHOUT_SPACE, JOINED, JOINS, interface="wsgi"),
    Reason(("wsgiref", "tornado"), JOINED, JOINS),
    Reason(
        DROPS_HEADERS,
        "the answer to the handshake says who gave it",
        NO_HEADERS,
        interface="asgi",
    ),
    Reason(REFUSES_BARELY, "a handshake elsewhere is 404", BARELY),
    Reason(
        ("granian",),
        "echo takes one mebibyte and not a byte more",
        RESETS,
        interface="wsgi",
        always=False,
    ),
    Reason(("wsgiref",), STREAM_HEAD, "gives the HEAD of a stream a Content-Length of 0"),
    Reason(("tornado",), STREAM_HEAD, WHOLE),
    Reason(("tornado",), "stream is numbered lines of text", WHOLE),
    Reason(("tornado",), "lines arrive as they are made", WHOLE),
    Reason(("tornado",), "a stream has no length", WHOLE),
    Reason(("tornado",), "a client that leaves does not harm the next", WHOLE),
    Reason(("tornado",), "echo gives the body back unchanged with its type: 'multipart*", READS_FORMS),
    Reason(("tornado",), "digest hashes forms as they were sent", READS_FORMS),
    Reason(("tornado",), "any number of unknown parameters is ignored", "refuses more than a thousand parameters"),
)
WEBSOCKETS = (
    # RFC 6455, section 5.4 lets control frames stand between fragments.
    Reason(
        ("granian", "hypercorn", "daphne", "gunicorn-asgi"),
        "a close between fragments",
        "answers a close between fragments, where others see a message broken off",
        said="close 1000*",
    ),
    Reason(("granian",), "*", "fails a WebSocket with a close frame without a code", said="close, where close 100?*"),
    Reason(("hypercorn", "daphne"), "*", "fails a WebSocket without a close frame", said="nothing, where close 100?*"),
    Reason(
        ("daphne", "gunicorn-asgi"),
        "a close without a code",
        "answers a close without a code with 1000",
        said="close 1000*",
    ),
    Reason(("daphne",), "close code [!0]*", "answers every close with 1000", said="close 1000*"),
)
STOP = (
    Reason(("tornado",), "the request in flight", "breaks off what it has begun when it stops"),
    Reason(
        ("granian",),
        "a WebSocket",
        "may end before the close frame has left",
        said="closed with 1006*",
        interface="asgi",
        always=False,
    ),
)
# In the whole stack beside these, with the database and several replicas; tests/stack/known.py marks what must fail.
STACK = (
    Reason(
        CLOSES,
        "a thousand requests open fewer than twenty connections",
        "keeps no connection, so each request has its own",
    ),
    Reason(
        ONE_AT_A_TIME,
        "waiting polls leave threads for other requests",
        "serves one request at a time in each worker, so long polls take the place of everything else",
        always=False,  # many CPUs have many workers
    ),
    Reason(
        DROPS_HEADERS, "a message posted to any application arrives on every asgi replica", NO_HEADERS, interface="asgi"
    ),
    # Natively; deploy/native/sweep.py ends them when the replica is started again. In a container nobody lives on.
    Reason(
        ("granian",),
        "a replica that is killed comes back",
        "has workers that live on when their first process is killed, and are killed later in turn",
        always=False,
    ),
    Reason(("granian",), "*is 413*", RESETS, interface="wsgi", always=False),
    Reason(("gunicorn-sync",), "*is 413*", RESETS, always=False),
    Reason(("gunicorn-sync",), "echo takes one mebibyte and not a byte more", RESETS, always=False),
    Reason(REFUSES_BARELY, "an id that is none refuses the handshake with 422*", BARELY),
    Reason(REFUSES_BARELY, "a page of another origin is refused", BARELY),
    # daphne/http_protocol.py puts every part of it in a queue before the application runs. It may keep that memory, unseen.
    Reason(
        ("daphne",),
        "a body of 100 mb is hashed in constant memory",
        "has a body whole in memory before it is seen",
        always=False,
    ),
    # Their workers stop by C code, which Python does not hear of; what is queued meanwhile is reset at the end.
    Reason(("uwsgi", "mod_wsgi"), "polls are ended at once with 204", POLLS),
    Reason(("uwsgi", "mod_wsgi"), "polls at another replica go on", POLLS),
    Reason(
        ("uwsgi", "mod_wsgi"),
        "requests that arrive meanwhile are not lost",
        "loses its queue when it stops",
        always=False,
    ),
)
REASONS: dict[str, tuple[Reason, ...]] = {"contract": CONTRACT, "websockets": WEBSOCKETS, "stop": STOP, "cost": ()}
