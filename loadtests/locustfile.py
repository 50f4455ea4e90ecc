"""Visitors of the stack: `make load`, `make locust`, or plain `locust -f loadtests/locustfile.py --host URL`.

    locust -f loadtests/locustfile.py --host http://127.0.0.1:8080 --headless -u 1 --rate 200 -t 30s
    locust -f loadtests/locustfile.py --host http://127.0.0.1:8080 ClosedVisitor -u 20

OpenVisitor is the default: its requests arrive when they are due, whether or not the stack keeps up. ClosedVisitor
waits for each answer, so a slow stack is asked less; it finds the peak and must not be asked for percentiles.
SocketVisitor holds a WebSocket and echoes, EventVisitor listens to server-sent events.
"""

import logging
import random
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # plain `locust -f` knows this folder only

import gevent
from flask import redirect
from locust import constant, events
from locust.env import Environment
from locust.runners import WorkerRunner

from loadtests.services import LAST, SERVICES
from loadtests.users import ending, options, recording
from loadtests.users.mixes import mix
from loadtests.users.openmodel import ClosedUser, OpenModelUser, end_when_done
from loadtests.users.sse import EventStreamUser
from loadtests.users.websocket import WebSocketUser

HOST = "http://127.0.0.1:8080"


def visits(draw, roots):
    """The task of a visitor: something of the mix, at one of the services."""

    def visit(user) -> None:
        draw()(user.client, random.choice(roots))

    return visit


EVERYWHERE = visits(mix("visit"), [f"/{service}" for service in SERVICES])


class OpenVisitor(OpenModelUser):
    host = HOST
    tasks = [EVERYWHERE]


class ClosedVisitor(ClosedUser):
    host = HOST
    tasks = [EVERYWHERE]


class SocketVisitor(WebSocketUser):
    host, path = HOST, f"/{LAST}/ws/echo"
    wait_time = constant(1)
    tasks = [lambda user: user.echo("hello")]


class EventVisitor(EventStreamUser):
    host, path = HOST, f"/{LAST}/events"
    tasks = [lambda user: user.next_event()]


@events.init.add_listener
def prepare(environment: Environment, **_: object) -> None:
    """A wrong option ends the run in a sentence; without a class on the command line visitors are of the open model."""
    given = environment.parsed_options
    assert given
    why = options.wrong(given)
    if why:
        sys.exit(f"locust: {why}")
    if not given.user_classes:
        environment.user_classes = [OpenVisitor]
    if environment.web_ui and environment.web_ui.app and given.web_base_path:
        environment.web_ui.app.add_url_rule("/", "root", lambda: redirect(f"{given.web_base_path}/"))
    if (given.stages or given.seconds) and given.headless and not isinstance(environment.runner, WorkerRunner):
        end_when_done(environment)
    recording.install(environment)
    ending.install(environment)  # (!) the last: its listener for the end has to come first


@events.test_start.add_listener
def choose(environment: Environment, **_: object) -> None:
    """At the start of each test, also on workers and for what was typed into the web form."""
    given, runner = environment.parsed_options, environment.runner
    assert given and runner
    why = options.wrong(given)
    if why:
        logging.error(why)
        gevent.spawn(runner.stop)
        return
    roots = [f"/{each}" for each in SERVICES if given.service in ("", each)] or [""]
    OpenVisitor.tasks = ClosedVisitor.tasks = [visits(mix(given.mix), roots)]
