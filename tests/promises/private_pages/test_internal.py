"""What nobody outside may ask for: the status page, error pages, files an application names."""

import pytest

from tests import wire
from tests.config.edge import Answer, Running


def hidden(edge_: Running) -> None:
    """What nobody outside may ask for, and what an application cannot make the edge send."""
    (edge_.settings.reports / "secret.txt").write_text("secret")
    application = edge_.ask("/flask/accel")
    assert (application.status, application.body, application.count("X-Accel-Redirect")) == (200, b"mine", 0)
    for path in ("/status", "/stub_status", "/nginx_status", "/error.json", "/error.html", "/_closed", "/internal/x"):
        assert (path, edge_.ask(path).status) == (path, 404)
    with pytest.raises(ConnectionRefusedError), wire.connection(("127.0.0.2", wire.address(edge_.settings.status)[1])):
        pass


def status(edge_: Running) -> Answer:
    return Answer(wire.exchange(wire.address(edge_.settings.status), wire.request("GET /status HTTP/1.1")))


SHOWN = [
    ("snippets/proxy.conf", "proxy_ignore_headers X-Accel-Redirect;", ""),
    ("snippets/error-pages.conf", "location = /error.json {\n    internal;", "location = /error.json {"),
    (
        "templates/snippets/routes.conf.template",
        "location = /static ",
        "location = /status { return 200; }\nlocation = /static ",
    ),
]


def test_what_is_internal_cannot_be_asked_for(mutated) -> None:
    with mutated() as edge_:
        hidden(edge_)


def test_the_status_page_is_for_this_machine(mutated) -> None:
    with mutated() as edge_:
        if "stub_status" in edge_.settings.nginx.lacks():
            pytest.skip("this nginx was built without stub_status")
        assert status(edge_).body.startswith(b"Active connections")


@pytest.mark.full
@pytest.mark.parametrize(("file", "good", "bad"), SHOWN)
def test_what_should_be_hidden_and_is_not_is_caught(mutated, file: str, good: str, bad: str) -> None:
    with mutated(file, good, bad) as edge_, pytest.raises(AssertionError):
        hidden(edge_)
