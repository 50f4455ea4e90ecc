"""What the edge promises about answers: its own errors, ids, logs, files; kept by a real nginx."""

from pathlib import Path

import pytest

from tests import wire
from tests.config.edge import Answer, Running, replicas, running
from tests.waiting import until

HTML = "Accept: text/html,application/xhtml+xml,*/*;q=0.8"
LONG = "a" * 9000

# what is sent -> status, error word
OWN = {
    "no such file": (wire.request("GET /nothing HTTP/1.1"), 404, "not_found"),
    "not HTTP": (b"GET / HTTP/1.1 extra\r\n\r\n", 400, "bad_request"),
    "no Host": (b"GET / HTTP/1.1\r\n\r\n", 400, "bad_request"),
    "TRACE": (wire.request("TRACE /flask/ HTTP/1.1"), 405, "method_not_allowed"),
    "CONNECT": (wire.request("CONNECT localhost:80 HTTP/1.1"), 405, "method_not_allowed"),
    "POST to a file": (wire.request("POST / HTTP/1.1"), 405, "method_not_allowed"),
    "long URI": (wire.request(f"GET /{LONG} HTTP/1.1"), 414, "uri_too_long"),
    "long header": (wire.request("GET / HTTP/1.1", f"X-A: {LONG}"), 431, "request_header_fields_too_large"),
    "no replica": (wire.request("GET /django/ HTTP/1.1"), 502, "bad_gateway"),
    "no locust": (wire.request("GET /locust/ HTTP/1.1"), 502, "bad_gateway"),
    "unknown coding": (wire.request("POST /flask/echo HTTP/1.1", "Transfer-Encoding: br"), 501, "not_implemented"),
    "HTTP/3.0": (wire.request("GET / HTTP/3.0"), 505, "http_version_not_supported"),
}


@pytest.mark.parametrize("case", OWN)
def test_error_of_the_edge_has_the_shape_of_the_applications(front: Running, case: str) -> None:
    request, status, word = OWN[case]

    answer = Answer(front.raw(request))

    assert (answer.status, answer.headers["content-type"]) == (status, "application/json")
    assert answer.json.keys() == {"error", "detail", "request_id"}
    assert answer.json["error"] == word
    assert answer.json["detail"].endswith(".")
    assert answer.json["request_id"] == answer.headers["x-request-id"]
    assert answer.count("X-Request-ID") == 1


# Refused at the request line: Accept was never read.
UNREAD = {"not HTTP", "no Host", "long URI", "HTTP/3.0"}


@pytest.mark.parametrize("case", sorted(OWN.keys() - UNREAD))
def test_error_of_the_edge_is_a_page_for_a_browser(front: Running, case: str) -> None:
    request, status, _ = OWN[case]

    answer = Answer(front.raw(request.replace(b"\r\n", f"\r\n{HTML}\r\n".encode(), 1)))

    assert (answer.status, answer.headers["content-type"]) == (status, "text/html; charset=utf-8")
    assert f'<p class="number">{status}</p>' in answer.body.decode()
    assert f"<code>{answer.headers['x-request-id']}</code>" in answer.body.decode()
    assert b"<!--#" not in answer.body
    assert answer.count("X-Request-ID") == 1


def test_405_names_the_methods_of_files(front: Running) -> None:
    assert front.ask("/", method="POST").headers["allow"] == "GET, HEAD"


def test_no_replica_is_502_at_once_and_says_when_to_try_again(front: Running) -> None:
    answer = front.ask("/django/json")

    assert (answer.status, answer.count("Retry-After")) == (502, 1)
    assert front.log(answer.headers["x-request-id"])["request_time"] < 0.5


def test_reset_is_502_and_a_silent_replica_504(front: Running) -> None:
    assert front.ask("/flask/reset", method="POST", body=b"{}").status == 502

    late = front.ask("/flask/hang", method="POST", body=b"{}")

    assert (late.status, late.json["error"], late.count("Retry-After")) == (504, "gateway_timeout", 1)


def test_error_of_an_application_passes_as_it_is(front: Running) -> None:
    answer = front.ask("/flask/problem", HTML)

    assert (answer.status, answer.json) == (503, {"error": "mine"})
    assert (answer.count("X-Request-ID"), answer.count("Retry-After")) == (1, 1)


def test_post_that_was_sent_is_never_repeated(nginx: Path, tmp_path: Path) -> None:
    with replicas("a", "b") as both:
        members = {"flask": tuple(each.address for each in both)}
        with running(tmp_path, nginx, upstreams=members) as edge_:
            assert edge_.ask("/flask/reset", method="POST", body=b"{}").status == 502
            asked = [request for each in both for request in each.requests]

    assert asked == [("POST", "/reset")]


def test_get_is_tried_on_another_replica(nginx: Path, tmp_path: Path) -> None:
    with replicas("gone", "alive") as (gone, alive):
        members = {"flask": (gone.address, alive.address)}
        with running(tmp_path, nginx, upstreams=members) as edge_:
            gone.shutdown()
            gone.server_close()
            answers = [edge_.ask("/flask/json", method=method) for method in ("GET", "POST") * 4]

    assert [each.status for each in answers] == [200] * 8


@pytest.mark.parametrize(
    "path", ["/flask/headers", "/fastapi/headers", "/", "/nothing", "/flask", "/healthz", "/site.css"]
)
def test_every_answer_has_one_request_id_which_the_log_knows(front: Running, path: str) -> None:
    answer = front.ask(path)

    assert answer.count("X-Request-ID") == 1
    if path != "/healthz":
        line = front.log(answer.headers["x-request-id"])
        assert (line["uri"], line["status"], line["host"], line["method"]) == (path, answer.status, "localhost", "GET")


def test_log_names_the_replica_and_its_times(front: Running) -> None:
    answer = front.ask("/flask/headers")
    line = front.log(answer.headers["x-request-id"])

    assert line["upstream_addr"] == front.replicas[answer.json["replica"]].address
    assert line["upstream_status"] == "200"
    assert 0 <= float(line["upstream_response_time"]) < 5  # rounded apart: it may exceed request_time by a millisecond
    assert 0 <= line["request_time"] < 5
    assert line["bytes"] == len(answer.raw)


def test_client_cannot_write_its_own_log_line(front: Running) -> None:
    answer = front.ask("/nothing", 'User-Agent: "} {"\\n\t\x7f')

    assert front.log(answer.headers["x-request-id"])["user_agent"] == '"} {"\\n\t\x7f'


def test_connection_closed_unanswered_is_logged_as_json(front: Running) -> None:
    front.ask("/unanswered", host="evil.test")

    assert until(lambda: [line for line in front.logged() if (line["uri"], line["status"]) == ("/unanswered", 444)])


def test_range_outside_a_file_is_416_with_one_request_id(front: Running) -> None:
    answer = front.ask("/site.css", "Range: bytes=9999999-")

    assert (answer.status, answer.json["error"]) == (416, "range_not_satisfiable")
    assert answer.count("X-Request-ID") == 1


def test_hashed_file_may_be_kept_for_ever_and_another_may_not(front: Running) -> None:
    folder = front.settings.static / "django" / "admin"
    folder.mkdir(exist_ok=True)
    for name in ("base.css", "base.0123456789ab.css"):
        (folder / name).write_text("body{}")

    assert "immutable" in front.ask("/static/django/admin/base.0123456789ab.css").headers["cache-control"]
    assert "immutable" not in front.ask("/static/django/admin/base.css").headers["cache-control"]
    assert "cache-control" not in front.ask("/static/django/admin/none.0123456789ab.css").headers


def test_reports_are_listed_while_only_this_machine_can_ask(front: Running) -> None:
    (front.settings.reports / "run-1").mkdir(exist_ok=True)

    assert b"run-1" in front.ask("/reports/").body


def test_reports_are_closed_to_others(nginx: Path, tmp_path: Path) -> None:
    with running(tmp_path, nginx) as edge_:
        port = edge_.address[1]
    with running(tmp_path, nginx, listen=(f"0.0.0.0:{port}",)) as edge_:
        refused = [edge_.ask(path) for path in ("/reports/", "/locust/")]

    assert [(each.status, each.json["error"]) for each in refused] == [(403, "forbidden")] * 2


def test_site_loads_nothing_from_elsewhere(front: Running) -> None:
    page = front.ask("/")

    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert b"https://" not in page.body and b"<style" not in page.body and b"style=" not in page.body
    for name in ("site.css", "replicas.js", "chat.js", "favicon.svg"):
        assert f"/{name}".encode() in page.body
        assert front.ask(f"/{name}").status == 200


@pytest.mark.parametrize("asked", ["gzip", "identity"])
def test_text_is_compressed_for_those_who_ask(front: Running, asked: str) -> None:
    answer = front.ask("/site.css", f"Accept-Encoding: {asked}")

    assert answer.headers.get("content-encoding") == ("gzip" if asked == "gzip" else None)
    assert answer.headers["vary"] == "Accept-Encoding"
