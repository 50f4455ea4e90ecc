"""GET /metrics on a replica's own port: Prometheus text, summed over its workers."""

import re
import uuid

from tests.apps import App
from tests.waiting import until

SAMPLE = re.compile(r"(?P<name>\w+)\{(?P<labels>[^}]*)\} (?P<value>\S+)")


def samples(app: App) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    found = {}
    for match in SAMPLE.finditer(app.get("/metrics").text):
        labels = re.findall(r'(\w+)="([^"]*)"', match["labels"])
        found[match["name"], frozenset(labels)] = float(match["value"])
    return found


def count(app: App, name: str = "http_requests_total", **labels: str) -> float:
    return samples(app).get((name, frozenset(labels.items())), 0)


def test_metrics_are_prometheus_text(replica: App):
    replica.get("/json")
    answer = replica.get("/metrics")

    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert "# TYPE http_requests_total counter" in answer.text
    assert "# TYPE http_request_duration_seconds histogram" in answer.text


def test_every_request_is_counted_by_method_route_and_status(replica: App):
    labels = {"method": "GET", "route": "/plaintext", "status": "200"}
    before = count(replica, **labels), count(replica, "http_request_duration_seconds_count", **labels)
    for _ in range(20):  # by whichever worker
        replica.request("GET", "/plaintext", headers={"Connection": "close"})

    until(lambda: count(replica, **labels) == before[0] + 20)
    until(lambda: count(replica, "http_request_duration_seconds_count", **labels) == before[1] + 20)


def test_a_refused_request_is_counted_with_its_status(replica: App):
    labels = {"method": "GET", "route": "/wait", "status": "422"}
    before = count(replica, **labels)
    replica.get("/wait?ms=x")

    until(lambda: count(replica, **labels) == before + 1)


def test_the_time_a_request_took_is_measured(replica: App):
    labels = {"method": "GET", "route": "/wait", "status": "200"}
    before = count(replica, "http_request_duration_seconds_sum", **labels)
    replica.get("/wait?ms=300")

    until(lambda: 0.3 <= count(replica, "http_request_duration_seconds_sum", **labels) - before < 2)


def test_clients_cannot_add_series(replica: App):
    def ask() -> int:
        for _ in range(20):
            replica.get(f"/{uuid.uuid4()}")
            replica.get(f"/jobs/{uuid.uuid4()}")
            replica.request(uuid.uuid4().hex[:10].upper().translate(str.maketrans("0123456789", "GHIJKLMNOP")), "/json")
        return len(samples(replica))

    assert ask() == ask()


def test_metrics_take_get_and_head_only(replica: App):
    assert replica.request("HEAD", "/metrics").content == b""
    answer = replica.post("/metrics")

    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")
