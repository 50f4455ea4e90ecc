import pytest

from deploy import cli
from deploy.errors import Answer
from deploy.targets import TARGETS, Target, service
from deploy.variables import SERVICES, Variable, switch


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch):
    """A target that records what it was called with."""
    seen: list[tuple] = []
    words = (service(*SERVICES), Variable("FOLLOW", "0", switch, ""))
    target = Target("", lambda settings, say, own: seen.append((settings, own)), words, needs=("SERVICE",))
    monkeypatch.setitem(TARGETS, "probe", target)
    for name in ("HTTP_PORT", "ENGINE", "COMPOSE_PROJECT_NAME", "PONTE_RUN"):
        monkeypatch.delenv(name, raising=False)
    return seen


@pytest.mark.parametrize(
    "words",
    [
        ("SERVICE=flask", "HTTP_PORT=81", "FOLLOW=1"),
        ("--service", "flask", "--http-port", "81", "--follow"),
        ("--service=flask", "HTTP_PORT=81", "--follow=1"),
    ],
)
def test_words_and_options_are_the_same(called, words: tuple[str, ...]):
    assert cli.main(["probe", *words]) == 0

    [(settings, own)] = called
    assert (settings.http_port, own) == (81, {"service": "flask", "follow": True})


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["proob"], "the target 'proob' is unknown; choose from up, down, "),
        (
            ["probe", "SERVCE=flask"],
            "the word SERVCE is unknown to probe; choose from SERVICE, FOLLOW, any variable of ",
        ),
        (["probe", "--servce", "flask"], "the word SERVCE is unknown to probe; choose from SERVICE, FOLLOW"),
        (["probe"], "probe needs SERVICE: flask, django, django-asgi, fastapi"),
        (["probe", "SERVICE="], "probe needs SERVICE: flask, django, django-asgi, fastapi"),
        (["probe", "SERVICE=rails"], "SERVICE='rails' is unknown; choose from flask, django, django-asgi, fastapi"),
        (["probe", "flask"], "probe does not know 'flask'; write NAME=value; choose from SERVICE, FOLLOW"),
        (["probe", "SERVICE=flask", "FOLLOW=2"], "FOLLOW='2' is not a switch; choose from 0, 1"),
        (["probe", "SERVICE=flask", "HTTP_PORT=x"], "HTTP_PORT='x' is not a port; choose from 1 to 65535"),
        (["probe", "--service"], "the word SERVICE has no value; write SERVICE=value"),
        (["scale", "SERVICE=flask", "REPLICAS=65"], "REPLICAS='65' is not a replica count; choose from 1 to 64"),
        (["scale", "SERVICE=nginx", "REPLICAS=2"], "SERVICE='nginx' is unknown; choose from flask, django, "),
    ],
)
def test_wrong_input_is_one_sentence_and_exit_2(
    called, capsys: pytest.CaptureFixture[str], words: list[str], sentence: str
):
    assert cli.main(words) == 2

    told = capsys.readouterr().err
    assert told.startswith(f"ponte: {sentence}")
    assert told.count("\n") == 1
    assert not called


def test_the_answer_no_is_exit_1(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    def no(settings, say, words):
        raise Answer("the gate is closed")

    monkeypatch.setitem(TARGETS, "probe", Target("", no))

    assert cli.main(["probe"]) == 1
    assert capsys.readouterr().err == "ponte: the gate is closed\n"


def test_a_full_disk_is_a_sentence(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    def full(settings, say, words):
        raise OSError(28, "No space left on device", "/x/state.json")

    monkeypatch.setitem(TARGETS, "probe", Target("", full))

    assert cli.main(["probe"]) == 3
    assert "No space left on device (/x/state.json)" in capsys.readouterr().err


def test_help_names_every_target(capsys: pytest.CaptureFixture[str]):
    assert cli.main(["--help"]) == 0

    shown = capsys.readouterr().out
    assert all(f"  {name} " in shown for name in TARGETS)


def test_without_a_target_the_help_is_shown(capsys: pytest.CaptureFixture[str]):
    assert cli.main([]) == 0
    assert "Commands:" in capsys.readouterr().out
