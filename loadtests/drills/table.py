"""The drills. Each breaks one thing, and promises what comes of it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from loadtests import services
from loadtests.drills import breaks
from loadtests.drills.bounds import REFUSED_SECONDS, Bounds, in_flight, meanwhile, refused

BOTH = ("native", "compose")
SERVICES = tuple(services.ONE_OF_EACH.values())  # where no SERVICE is named
SOCKETS = 50  # readers of the chat beside the requests


def nothing(scene: Any) -> None: ...


@dataclass(frozen=True)
class Drill:
    breaks: str
    promise: str  # Bounds in words
    seen: str  # where a person sees it
    run: Callable[[Any], None]  # a Scene of scene.py
    bounds: Bounds = field(default_factory=Bounds)
    prepare: Callable[[Any], object] = nothing  # before the load: what it needs is there, or it says what is missing
    engines: tuple[str, ...] = BOTH
    sockets: int = SOCKETS


IN_FLIGHT = Bounds({"POST": in_flight})
DATABASE = Bounds({"POST": meanwhile}, {"GET": 8.0})

DRILLS: dict[str, Drill] = {
    "kill-replica": Drill(
        breaks="SIGKILL to one replica of three, of each service in turn",
        promise="no GET lost, of POSTs those in flight at most, none carried out twice; the others go on within 3 s",
        seen="make ps: the replica is starting, its uptime begins anew. make logs SERVICE=nginx: lines with two addresses "
        'in "upstream_addr", the first with status 502; in error.log "connect() failed" or "prematurely closed"',
        run=breaks.kill_replica,
        bounds=IN_FLIGHT,
        prepare=breaks.three,
    ),
    "kill-worker": Drill(
        breaks="SIGKILL to one worker of every replica, in turn (servers with workers: Gunicorn)",
        promise="no GET lost, of POSTs those in flight at most; no replica is set aside for one failure",
        seen=f'make logs SERVICE={services.SERVICES[0]}: '
        '"Worker (pid:…) was sent SIGKILL! Perhaps out of memory?", then "Booting worker". '
        "make ps: the uptime goes on, the memory is that of a fresh worker",
        run=breaks.kill_worker,
        prepare=breaks.with_workers,
        bounds=IN_FLIGHT,
    ),
    "hang-replica": Drill(
        breaks=f"SIGSTOP to one replica of each service for {breaks.HANG_SECONDS:g} s",
        promise="nothing lost: what was sent to it waits and is answered in the end; the others go on within 3 s",
        seen="make ps: the replica is not ready. make logs SERVICE=nginx: the seconds of the hang in \"upstream_response_time\" of "
        "one address; with least_conn (WSGI) of few lines, in turn (ASGI) of every second",
        run=breaks.hang_replica,
    ),
    "slow-replica": Drill(
        breaks=f"SIGSTOP and SIGCONT in turns: one replica of each service has a fifth of its time, for {breaks.SLOW_SECONDS:g} s",
        promise="nothing lost, nobody without an answer for 3 s",
        seen='make logs SERVICE=nginx: up to half a second in "upstream_response_time" of one address, of the other nothing new',
        run=breaks.slow_replica,
    ),
    "kill-postgres": Drill(
        breaks="SIGKILL to PostgreSQL and all its sessions",
        promise="every acknowledged write is there, once; what needs no database goes on; writes go on within 5 s of "
        "PostgreSQL's return, and no application is started again",
        seen="make ps: postgres is starting, the replicas are not ready. make logs SERVICE=postgres: \"database system was "
        'not properly shut down; automatic recovery in progress". make logs SERVICE=nginx: 503 of POSTs',
        run=breaks.kill_postgres,
        prepare=breaks.own_postgres,
        bounds=DATABASE,
    ),
    "restart-postgres": Drill(
        breaks="PostgreSQL is restarted (make restart SERVICE=postgres)",
        promise="as when it is killed",
        seen='make ps: the replicas are not ready meanwhile. make logs SERVICE=postgres: "received fast shutdown request", '
        '"ready to accept connections". make logs SERVICE=nginx: 503 of POSTs',
        run=breaks.restart_postgres,
        prepare=breaks.own_postgres,
        bounds=DATABASE,
    ),
    "pause-postgres": Drill(
        breaks=f"SIGSTOP to PostgreSQL for {breaks.PAUSE_SECONDS:g} s",
        promise="every acknowledged write is there, once; writes go on within 5 s of its return",
        seen="make ps: everything but nginx is not ready. make logs SERVICE=nginx: POSTs with 503 after the 5 s that a request "
        "waits for a connection, or with the seconds of the pause",
        run=breaks.pause_postgres,
        prepare=breaks.own_postgres,
        bounds=DATABASE,
    ),
    "exhaust-pool": Drill(
        breaks=f"the table of messages is locked for {breaks.HOLD_SECONDS:g} s: every connection of every pool waits",
        promise="no GET lost; a POST that gets no connection is told so (503); writes go on within 5 s of the end",
        seen='make psql, SELECT * FROM pg_stat_activity: every session waits for "Lock". make logs SERVICE=nginx: 503 after '
        "the 5 s that a request waits for a connection",
        run=breaks.exhaust_pool,
        prepare=breaks.own_postgres,
        bounds=Bounds(DATABASE.losable, {"GET": 7.0}),  # between the 5 s that a request waits and the 9.5 s of the lock
    ),
    "restart-edge": Drill(
        breaks="nginx is stopped (QUIT) and started again, with no WebSocket open",
        promise=f"what is in flight is answered; new connections are refused for {REFUSED_SECONDS:g} s at most (make reload: never)",
        seen="make ps: the uptime of nginx begins anew. Nothing in its log: who is refused is not logged",
        run=breaks.restart_edge,
        bounds=Bounds({"GET": refused, "POST": refused}, {"GET": REFUSED_SECONDS, "POST": REFUSED_SECONDS}),
        engines=("native",),  # (!) in containers Docker itself takes connections meanwhile, and cuts them: none is refused
        sockets=0,
    ),
    "clock-cert": Drill(
        breaks="the certificate is renewed, and taken in by a reload",
        promise="nothing lost; the new one is shown within a minute",
        seen="in a browser: the certificate begins today. make ps: the uptime of nginx goes on",
        run=breaks.clock_cert,
        prepare=breaks.own_certificate,
    ),
    "fill-backlog": Drill(
        breaks=f"for {breaks.FLOOD_SECONDS:g} s {breaks.TIMES} times as many requests at once as there are threads (/cpu), of each service in turn",
        promise="requests wait or are told to come again, none is carried out twice; the edge's /healthz answers within 2 s; 5 s "
        "after the end nothing is lost any more",
        seen='make logs SERVICE=nginx: seconds in "upstream_response_time", 503 where a POST waited too long for a connection; 499 '
        "where the flood hung up. make ps: everything is ready",
        run=breaks.fill_backlog,
        bounds=Bounds({"GET": meanwhile, "POST": meanwhile}, {"GET": 8.0, "POST": 8.0}),
    ),
    "fill-disk": Drill(
        breaks="the place where nginx keeps answers is filled to the last byte (natively: where it is a disk of its own)",
        promise="nothing lost: what is not kept passes as always",
        seen='make logs SERVICE=nginx: "No space left on device" beside answers that would be kept, and nothing else',
        run=breaks.fill_disk,
        prepare=breaks.own_disk,
    ),
    "dns-down": Drill(
        breaks=f"nginx's questions to Docker's name server are dropped for {breaks.DNS_SECONDS:g} s",
        promise="nothing lost: the addresses that are known stay",
        seen='make logs SERVICE=nginx: "could not be resolved (110: Operation timed out)" of every service each few seconds',
        run=breaks.dns_down,
        engines=("compose",),
    ),
}  # fmt: skip
