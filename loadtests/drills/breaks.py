"""What each drill does to the stack, and how long it watches. The mend is the scene's."""

import signal
import ssl
import time
from typing import TYPE_CHECKING

from deploy.engines.base import Replica
from deploy.errors import Answer, impossible
from loadtests.drills.bounds import RECOVERY_SECONDS
from loadtests.drills.flood import flood, seconds_to_answer
from loadtests.measure.processes import parents, send

if TYPE_CHECKING:
    from loadtests.drills.scene import Scene

OF_REPLICAS = 3
HANG_SECONDS = 8.0
SLOW_SECONDS = 10.0
TURN_SECONDS, STOPPED_SHARE = 0.5, 0.8
PAUSE_SECONDS = 10.0
HOLD_SECONDS = 9.5  # longer than a pool lets a request wait (5 s), less than lock_timeout (10 s)
BETWEEN_WORKERS_SECONDS = 3.0  # longer than nginx sets a replica aside for (fail_timeout=2s)
SLOW_REQUESTS, SLOW_MS = 6, 400
AGAIN_SECONDS = 0.05  # between two tries to reach an edge that is away
FLOOD_SECONDS, FLOOD_MS = 5.0, 10
TIMES = 10  # as many as there are threads
HEALTH_SECONDS = 2.0
DNS_SECONDS = 10.0
FULL_SECONDS = 5.0
KEPT_ALIVE, KEPT_ALIVE_PAUSE = 4, 0.1  # clients, seconds
NEW_CERTIFICATE_SECONDS = 60


def three(scene: "Scene") -> None:
    for service in scene.services:
        scene.at_least(service, OF_REPLICAS)


def kill_replica(scene: "Scene") -> None:
    for service in scene.services:
        count = len(scene.rows(service))
        scene.kill(oldest(scene, service))
        scene.until_back(service, count)


def oldest(scene: "Scene", service: str) -> Replica:
    """One that has just been started would be started again with a pause."""
    return max(scene.rows(service), key=lambda each: each.uptime or 0)


def kill_worker(scene: "Scene") -> None:
    """One in every replica, in turn: were one failure enough to set a replica aside, nobody would be left."""
    for service in with_workers(scene):
        with scene.clients(f"/{service}/wait?ms={SLOW_MS}", SLOW_REQUESTS):
            for row in scene.rows(service):
                worker = workers(scene, row)[0]
                with scene.breaking(f"kill of a worker of {row.replica}"):
                    send(signal.SIGKILL, [worker])
                scene.wait(BETWEEN_WORKERS_SECONDS)
        scene.until_back(service, scene.before[service])


def with_workers(scene: "Scene") -> list[str]:
    found = [service for service in scene.services if all((each.workers or 0) > 1 for each in scene.rows(service))]
    if not found:
        raise impossible(f"no replica of {', '.join(scene.services)} has more than one worker; name another SERVICE")
    return found


def workers(scene: "Scene", row: Replica) -> list[int]:
    """The oldest children of its first process."""
    first, *others = scene.pids(row)
    parent = parents()
    return [pid for pid in others if parent.get(pid) == first]


def hang_replica(scene: "Scene") -> None:
    for service in scene.services:
        scene.stop(scene.one(service))
    scene.wait(HANG_SECONDS)


def slow_replica(scene: "Scene") -> None:
    pids = [pid for service in scene.services for pid in scene.stop(scene.one(service))]
    end = time.monotonic() + SLOW_SECONDS
    while time.monotonic() < end:
        scene.wait(TURN_SECONDS * STOPPED_SHARE)
        send(signal.SIGCONT, pids)
        scene.wait(TURN_SECONDS * (1 - STOPPED_SHARE))
        send(signal.SIGSTOP, pids)


def own_postgres(scene: "Scene") -> Replica:
    return scene.one("postgres")


def kill_postgres(scene: "Scene") -> None:
    row, applications = own_postgres(scene), scene.ids()
    scene.kill(row)
    database_back(scene, applications)


def restart_postgres(scene: "Scene") -> None:
    applications = scene.ids()
    with scene.breaking("restart of postgres"):
        scene.engine.restart("postgres")
    database_back(scene, applications)


def database_back(scene: "Scene", applications: set[str]) -> None:
    """It answers; from then on applications have so long to find it, without being started again."""
    scene.until(scene.database_answers, lambda: "PostgreSQL does not answer")
    scene.works_again()
    scene.wait(RECOVERY_SECONDS)
    if scene.ids() != applications:
        scene.broken.append("a replica was started again; it should have found the database by itself")


def pause_postgres(scene: "Scene") -> None:
    scene.stop(own_postgres(scene))
    scene.wait(PAUSE_SECONDS)


def exhaust_pool(scene: "Scene") -> None:
    scene.hold_table("messages")
    scene.wait(HOLD_SECONDS)


def restart_edge(scene: "Scene") -> None:
    """Beside the load some slow requests, so that some are under way."""
    with scene.clients(f"/{scene.services[0]}/wait?ms={SLOW_MS}", SLOW_REQUESTS, AGAIN_SECONDS, refusable=True):
        scene.wait(SLOW_MS / 1000)
        scene.restart_edge()
    scene.wait(RECOVERY_SECONDS)


def own_certificate(scene: "Scene") -> None:
    if scene.settings.tls_cert:
        raise impossible("TLS_CERT is your own certificate, which Ponte does not renew; unset it for this drill")


def clock_cert(scene: "Scene") -> None:
    """As on the day before it ends: the mark that it is good for longer is taken away, and the edge told to look."""
    before = certificate(scene)
    with scene.clients(f"/{scene.services[0]}/json", KEPT_ALIVE, KEPT_ALIVE_PAUSE):
        with scene.breaking("renewal of the certificate"):
            scene.forget_certificate()
            scene.engine.reload()
        deadline = time.monotonic() + NEW_CERTIFICATE_SECONDS
        while certificate(scene) == before:
            if time.monotonic() > deadline:
                raise Answer(f"nginx shows the old certificate {NEW_CERTIFICATE_SECONDS} s after the reload")
            scene.wait(1)


def certificate(scene: "Scene") -> str:
    return ssl.get_server_certificate(scene.tls_address, timeout=5)


def fill_backlog(scene: "Scene") -> None:
    """Of a service at a time; the edge's own health is looked at meanwhile."""
    host, port = scene.address
    for service in scene.services:
        connections = TIMES * threads(scene, service)
        end = time.monotonic() + FLOOD_SECONDS
        with (
            scene.breaking(f"flood of {service}"),
            flood(host, port, f"/{service}/cpu?ms={FLOOD_MS}", connections),
        ):
            while time.monotonic() < end:
                if (took := seconds_to_answer(host, port, "/healthz", HEALTH_SECONDS)) > HEALTH_SECONDS:
                    scene.broken.append(f"/healthz of the edge was not answered within {HEALTH_SECONDS:g} s")
                scene.wait(max(0, TURN_SECONDS - took))
    scene.works_again()
    scene.wait(RECOVERY_SECONDS)


def threads(scene: "Scene", service: str) -> int:
    """Of all its replicas."""
    each = int(scene.settings.app("THREADS", service))
    return sum(each * (row.workers or 1) for row in scene.rows(service))


def own_disk(scene: "Scene") -> None:
    """(!) Another's would fill for everybody."""
    place = scene.cache
    if scene.engine.name == "native" and not place.is_mount():
        raise impossible(f"fill-disk needs a disk of its own at {place} (mount -t tmpfs), or ENGINE=compose")


def fill_disk(scene: "Scene") -> None:
    scene.fill_cache()
    scene.wait(FULL_SECONDS)


def dns_down(scene: "Scene") -> None:
    scene.silence_dns()
    scene.wait(DNS_SECONDS)
