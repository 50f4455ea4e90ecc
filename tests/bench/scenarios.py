"""Locust scenarios that are weighed against each other; prints the CPU seconds of the test itself, without the start, or its memory."""

import os
import random
import resource
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent))

from locust import FastHttpUser, events, task

from loadtests.users.openmodel import OpenModelUser
from loadtests.users.websocket import WebSocketUser

EACH = float(os.environ.get("EACH", "10"))  # requests a second of each closed user
BEGUN: dict[str, float] = {}


def by_chance(user) -> float:
    """(!) Users in step share the event loop's turns, which is cheap and like nobody's visitors; these come by chance too."""
    return random.expovariate(EACH)


class Open(OpenModelUser):
    @task
    def ask(self):
        self.client.get("/plaintext")


class Held(OpenModelUser):
    """Its requests find nobody who answers; tells how many are under way when the test stops, and the memory of all."""

    @task
    def ask(self):
        self.client.get("/plaintext")

    def stop(self, force: bool = False) -> bool:
        # (!) Not ru_maxrss: what the parent had before the exec counts there.
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        print(f"held {len(self.under_way)} {pages * resource.getpagesize() // 1024}", flush=True)
        return super().stop(force)


class Fast(FastHttpUser):
    wait_time = by_chance

    @task
    def ask(self):
        self.client.get("/plaintext")


class Echo(WebSocketUser):
    path = "/"
    wait_time = by_chance

    @task
    def say(self):
        self.echo("hello, world" * 5)


@events.spawning_complete.add_listener
def begin(**_: object) -> None:
    BEGUN.setdefault("cpu", time.process_time())


@events.test_stopping.add_listener
def end(environment, **_: object) -> None:
    used = time.process_time() - BEGUN["cpu"]
    print(f"cost {used / max(1, environment.runner.stats.total.num_requests):.9f}", flush=True)
