"""How the text of a new project is made: each cut by itself."""

from pathlib import Path

import pytest

from deploy.new import cuts, slicing
from deploy.new.choice import ALWAYS, Choice

DJANGO = Choice("shop", ("django",))
ASGI = Choice("shop", ("django-asgi", "fastapi"))
KUBERNETES = Choice("shop", ("django",), (*ALWAYS, "kubernetes"))


@pytest.mark.parametrize(
    "text", ["flask", "/flask/json", "flask-1", "FLASK_SERVER", "PONTE_HTTP2_FLASK", "http://fastapi/"]
)
def test_a_service_is_found_by_its_name_its_path_and_its_variables(text: str):
    assert DJANGO.names(text)


@pytest.mark.parametrize("text", ["django", "DJANGO_SERVER", "apps/flask", "/static/flask", "flasks", "flask.app"])
def test_what_only_looks_like_a_service_is_none(text: str):
    assert not DJANGO.names(text)


def test_one_whose_name_begins_as_anothers_is_told_apart():
    assert DJANGO.names("/django-asgi/") and DJANGO.names("DJANGO_ASGI_SERVER")
    assert ASGI.names("/django/") and not ASGI.names("/django-asgi/") and not ASGI.names("DJANGO_ASGI_SERVER")


@pytest.mark.parametrize("text", ["swarm", "docker swarm init", "deploy/swarm", "deploy.engines.swarm", "systemd"])
def test_an_engine_is_found_by_its_name_and_its_folder(text: str):
    assert KUBERNETES.names(text) and not DJANGO.names(text)


@pytest.mark.parametrize(
    "text", ["kubernetes", "native", "/locust/swarm", "/run/systemd", "test_swarm.py", "deploy/swarms"]
)
def test_what_only_looks_like_an_engine_is_none(text: str):
    assert not KUBERNETES.names(text)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('A = ("auto", "native", "swarm", "systemd")', 'A = ("auto", "native")'),
        ('A = {"native": f, "swarm": g}', 'A = {"native": f}'),
        ('A = {"swarm": "clean"}', "A = {}"),
        ('A = (("django", "swarm"), ("django", "native"))', 'A = (("django", "native"),)'),
        ('A = (("django", "swarm"),)', 'A = (("django", "swarm"),)'),
    ],
)
def test_an_engine_leaves_a_list_and_a_record_of_both_kinds_stays_whole(before: str, after: str):
    assert slicing.without_elements(before, KUBERNETES) == after


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('A = ("flask", "django", "django-asgi", "fastapi")', 'A = ("django",)'),
        ('A = ("django", "flask")', 'A = ("django",)'),
        ('A = ["flask", "django"]', 'A = ["django"]'),
        ('A = ("flask", "fastapi")', "A = ()"),
        ('A = {"flask": 1, "django": 2}', 'A = {"django": 2}'),
        ('A = {"wsgi": "flask", "other": "django"}', 'A = {"other": "django"}'),
        ('A = (("flask", "granian"), ("django", "uwsgi"))', 'A = (("django", "uwsgi"),)'),
        ('A = {\n    "flask": f(1),  # why\n    "é": f(2),\n}', 'A = {\n    "é": f(2),\n}'),
        ('A = ("flask", 3)', 'A = ("flask", 3)'),
        ('A, B = f("flask"), f("django")', 'A, B = f("flask"), f("django")'),
        ('for name in ("nginx", "flask"): pass', 'for name in ("nginx",): pass'),
    ],
)
def test_an_element_goes_and_a_record_stays_whole(before: str, after: str):
    assert slicing.without_elements(before, DJANGO) == after


TESTS = """
from tests.helpers import HOST, around

FLASK = "/flask/json"


def asked(path):
    return HOST + path


def test_one():
    assert asked(FLASK)


@pytest.mark.parametrize("name", ["flask", "django"])
def test_each(name):
    assert name


def test_two(front):
    assert around(front)


def test_three():
    assert HOST
"""
HELPERS = """
HOST = "localhost"


def around(front):
    return front("/fastapi/")
"""


def sliced(choice: Choice) -> str:
    files = {"tests/test_a.py": slicing.without_elements(TESTS, choice, is_test=True), "tests/helpers.py": HELPERS}
    modules = {path: slicing.Module(Path(path), text) for path, text in files.items()}
    lost = slicing.without_definitions(modules, choice, set(), (), lambda module, node: False)
    return slicing.remaining(modules["tests/test_a.py"], set(), lost, slicing.exported(modules))


def test_a_test_goes_with_what_it_needs_and_with_what_only_it_needed():
    text = sliced(DJANGO)

    assert "test_one" not in text and "FLASK" not in text and "asked" not in text
    assert "test_two" not in text and "import HOST\n" in text
    assert '@pytest.mark.parametrize("name", ["django"])' in text and "test_three" in text


def test_nothing_goes_where_nothing_is_left_out():
    assert sliced(Choice("shop", ("flask", "django", "django-asgi", "fastapi"))) == TESTS


@pytest.mark.parametrize("cut", [cuts.lines("#{PREFIX}_"), cuts.blocks("  {name}:\n"), cuts.words("`{PREFIX}_…`"),
                                 cuts.say("a", "b"), cuts.between("a", "b"), cuts.rows("a", "b"),
                                 cuts.unless("swarm", cuts.rows("a"))])  # fmt: skip
def test_a_cut_that_finds_nothing_says_so(cut: cuts.Cut):
    with pytest.raises(cuts.Missed):
        cut("nothing of it", KUBERNETES)


def test_what_is_said_of_an_engine_stays_with_it():
    cut = cuts.unless("kubernetes", cuts.rows("| Kubernetes"))

    assert cut("| Swarm |\n| Kubernetes |\n", KUBERNETES) == "| Swarm |\n| Kubernetes |\n"
    assert cut("| Swarm |\n| Kubernetes |\n", Choice("shop", ("django",), ALWAYS)) == "| Swarm |\n"


def test_a_word_leaves_a_list_with_its_separator():
    assert cuts.words("{name}")("flask, django, django-asgi, fastapi", DJANGO) == "django"


def test_a_block_goes_to_its_end():
    text = "".join(f"upstream {name} {{\n  x;\n}}\n\n" for name in ("flask", "django", "django-asgi", "fastapi"))

    assert cuts.blocks("upstream {name} {", "}")(text, DJANGO) == "upstream django {\n  x;\n}\n\n"
