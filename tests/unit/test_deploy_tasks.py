import pytest

from deploy.errors import Refused
from deploy.settings import load
from deploy.targets import LOAD
from deploy.tasks import other_servers, plan
from deploy.variables import Variable

STACK = "tests/stack"
OF_SERVICES = ("FLASK_SERVER", "DJANGO_SERVER", "DJANGO_ASGI_SERVER", "FASTAPI_SERVER")


@pytest.mark.parametrize(
    ("engine", "path", "lacking", "runs"),
    [
        ("auto", "tests", "", [("native", "tests"), ("compose", f"{STACK} tests/promises")]),
        ("auto", "tests", "no engine", [("native", "tests")]),
        ("auto", "tests/unit", "", [("native", "tests/unit")]),
        ("auto", f"{STACK}/test_tls.py", "", [("native", f"{STACK}/test_tls.py"), ("compose", f"{STACK}/test_tls.py")]),
        ("native", "tests", "", [("native", "tests")]),
        ("compose", STACK, "no engine", [("compose", STACK)]),
    ],
)
def test_the_stack_is_tested_once_for_each_engine(engine: str, path: str, lacking: str, runs: list):
    assert plan(engine, path, lacking)[1] == runs


def test_what_is_left_out_is_said_with_its_reason():
    assert plan("auto", "tests", "no Docker engine answers")[0] == [
        "tests/stack, tests/promises in containers: no Docker engine answers"
    ]
    assert plan("auto", "tests", "")[0] == []


@pytest.mark.parametrize(
    ("words", "chosen"),
    [
        ({}, {}),
        ({"SERVER": "granian"}, dict.fromkeys(OF_SERVICES, "granian")),
        ({"SERVER": "uwsgi"}, {"FLASK_SERVER": "uwsgi", "DJANGO_SERVER": "uwsgi"}),
        ({"SERVER": "daphne", "FLASK_SERVER": "waitress", "FASTAPI_SERVER": "hypercorn"},
         {"FLASK_SERVER": "waitress", "DJANGO_ASGI_SERVER": "daphne", "FASTAPI_SERVER": "hypercorn"}),
    ],
)  # fmt: skip
def test_a_server_that_is_named_stands_under_every_service_it_fits(words: dict[str, str], chosen: dict[str, str]):
    assert other_servers(load(words, {})) == chosen


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ({"SERVER": "gunicron"}, "SERVER='gunicron' is unknown; choose from gunicorn, gunicorn-sync"),
        ({"FLASK_SERVER": "uvicorn"}, "FLASK_SERVER='uvicorn' does not serve WSGI"),
        ({"SERVER": "wsgiref"}, "wsgiref"),
    ],
)
def test_a_server_that_cannot_stand_there_is_refused_before_any_test(words: dict[str, str], sentence: str):
    with pytest.raises(Refused, match=sentence) as refused:
        other_servers(load(words, {}))

    assert refused.value.code == 2


def word(name: str) -> Variable:
    return next(each for each in LOAD if each.name == name)


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("USERS", ["1", "500"], ["0", "-1", "many"]),
        ("RATE", ["5", "0.5"], ["", "-1", "5/s", "1e3"]),
        ("TIME", ["30s", "2m", "1h30m"], ["30", "s", "1 h"]),
        ("HOST", ["http://127.0.0.1:8080", "https://a.example"], ["127.0.0.1:8080", "ftp://a"]),
    ],
)
def test_words_of_the_load_test_are_checked_before_it_starts(name: str, good: list[str], bad: list[str]):
    for value in good:
        word(name).parse(value)
    for value in bad:
        with pytest.raises(ValueError, match="is not"):
            word(name).parse(value)
