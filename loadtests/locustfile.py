"""People who use the stack: `make load`, `make locust`, or plain `locust -f loadtests/locustfile.py --host URL`.

Closed model: each user waits for an answer before the next request, so a slow stack is asked less. The numbers
say that every route answers under load; how fast the stack is at a given arrival rate, they do not say.
SERVICE=fastapi narrows to one application.
"""

import os
import random

from locust import FastHttpUser, between, events, task
from locust.clients import ResponseContextManager
from locust.env import Environment

HOST = "http://127.0.0.1:8080"
SERVICE = os.environ.get("SERVICE", "")
BODY = b"0123456789abcdef" * 256  # 4 KiB


class Visitor(FastHttpUser):
    """Reads more than it writes, and now and then uploads or waits."""

    abstract = True
    host = HOST
    service = ""
    wait_time = between(0.05, 0.25)

    def get(self, path: str, name: str = "") -> ResponseContextManager:
        return self.client.get(f"/{self.service}{path}", name=f"/{self.service}{name or path}")

    def post(self, path: str, **body: object) -> ResponseContextManager:
        return self.client.post(f"/{self.service}{path}", **body)

    @task(10)
    def read_json(self) -> None:
        self.get("/json")

    @task(5)
    def read_plaintext(self) -> None:
        self.get("/plaintext")

    @task(3)
    def see_who_answers(self) -> None:
        self.get("/")

    @task(5)
    def query_the_database(self) -> None:
        self.get(f"/query?n={random.randint(1, 20)}", name="/query")

    @task(3)
    def read_messages(self) -> None:
        self.get("/messages?limit=20", name="/messages")

    @task(2)
    def post_a_message(self) -> None:
        self.post("/messages", json={"author": "locust", "text": "hello"})

    @task(2)
    def use_cpu(self) -> None:
        self.get("/cpu?ms=5", name="/cpu")

    @task(2)
    def wait_for_another_service(self) -> None:
        self.get("/wait?ms=50", name="/wait")

    @task(1)
    def echo(self) -> None:
        self.post("/echo", data=BODY)

    @task(1)
    def upload(self) -> None:
        self.post("/digest", data=BODY * 64)

    @task(1)
    def stream(self) -> None:
        self.get("/stream?chunks=5&ms=10", name="/stream")

    @task(1)
    def come_back(self) -> None:
        self.post("/session")
        self.get("/session")

    @task(1)
    def start_a_job(self) -> None:
        with self.client.post(f"/{self.service}/jobs", json={"ms": 50}, catch_response=True) as answer:
            location = (answer.headers or {}).get("Location")
            if not location:
                return answer.failure(f"no job: {answer.status_code}")
        self.client.get(location, name=f"/{self.service}/jobs/ID")


class FlaskVisitor(Visitor):
    service = "flask"


class DjangoVisitor(Visitor):
    service = "django"


class DjangoAsgiVisitor(Visitor):
    service = "django-asgi"


class FastapiVisitor(Visitor):
    service = "fastapi"


VISITORS = (FlaskVisitor, DjangoVisitor, DjangoAsgiVisitor, FastapiVisitor)


@events.init.add_listener
def narrow(environment: Environment, **_: object) -> None:
    if SERVICE:
        environment.user_classes = [visitor for visitor in VISITORS if visitor.service == SERVICE]
