"""A scenario of your own, in ten lines: `locust -f loadtests/users/example.py --host http://127.0.0.1:8080 --rate 20`."""

from locust import task

from loadtests.users.openmodel import OpenModelUser


class Reader(OpenModelUser):
    @task(3)
    def look(self):
        self.client.get(
            "/fastapi/messages?limit=5",
            name="messages",
            check=lambda answer: "no list" if b"[" not in answer.body else None,
        )

    @task
    def write(self):
        self.client.post("/flask/messages", json={"author": "example", "text": "hello"}, name="post")
