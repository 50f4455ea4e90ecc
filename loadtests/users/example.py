"""A scenario of your own, in ten lines: `locust -f loadtests/users/example.py --host http://127.0.0.1:8080 --rate 20`."""

from locust import task

from loadtests.services import SERVICES
from loadtests.users.openmodel import OpenModelUser


class Reader(OpenModelUser):
    @task(3)
    def look(self):
        self.client.get(
            f"/{SERVICES[-1]}/messages?limit=5",
            name="messages",
            check=lambda answer: "no list" if b"[" not in answer.body else None,
        )

    @task
    def write(self):
        self.client.post(f"/{SERVICES[0]}/messages", json={"author": "example", "text": "hello"}, name="post")
